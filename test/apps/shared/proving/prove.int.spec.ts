import { divided, allSlots } from '../../../../apps/shared/generations/coverage';
import { CertificateRefused, verifyCertificate } from '../../../../apps/shared/proving/certificate';
import type { ProveOptions } from '../../../../apps/shared/proving/prove';
import { startTailing } from '../../../../apps/shared/generations/generations';
import { oltpTier } from '../../../../projections/oltp';
import type { ProjectionTier } from '../../../../projections/tier';
import { story } from '../../../golden/story';
import { idOf } from '../../../support/recorded-log';
import { gateOf, history, ProofSystem } from './proof-system';

const oltp = 'OLTP_DATABASE_URL';
const otherOltp = 'OLTP_DATABASE_URL_B';

/** 30 of one tenant and 8 of another; each is a chunk of content, too. */
const mails = 38;

/** Lanes are never offered them: one of each mail, and those of the story. */
const chunks = mails + story().filter(({ event }) => event.type === 'MessageContentStored').length;

let system: ProofSystem;
/** Of the whole tier in one target, filled by the projector; faults are planted and taken back here. */
let whole: number;
let schema: string;

beforeAll(async () => {
  system = await ProofSystem.start();
  await system.append(history(30));
  await system.appendStory();
  whole = (await system.fill('oltp')).generation;
  schema = `g${whole}`;
});
afterAll(() => system?.stop(), 20_000);

/** Plants a fault by SQL, proves, and takes the fault back. */
async function proveWith(
  plant: readonly string[],
  takeBack: readonly string[],
  options: Partial<ProveOptions> = {},
) {
  for (const sql of plant) expect(await changedRows(sql)).toBeGreaterThan(0);
  try {
    return await system.prove('oltp', whole, options);
  } finally {
    for (const sql of takeBack) await changedRows(sql);
  }
}

async function changedRows(sql: string): Promise<number> {
  const [row] = await system.query<{ n: number }>(
    oltp,
    `with changed as (${sql.replaceAll('$g', schema)} returning 1) select count(*)::int as n from changed`,
  );
  return row?.n ?? 0;
}

const tenant = idOf('tenant');
const conversation = idOf('mail 1');
const ofConversation = `tenant_id = '${tenant}' and id = '${conversation}'`;

describe('a proof', () => {
  it('certifies a generation that was filled on its own', async () => {
    const certificate = await system.prove('oltp', whole);
    expect(certificate.gates.filter(({ holds }) => holds === false)).toEqual([]);
    expect(gateOf(certificate, 'completeness')).toMatchObject({
      holds: true,
      measured: { countedBy: 'ledger', wanted: { events: certificate.ledger.events - chunks } },
    });
    expect(certificate).toMatchObject({
      holds: true,
      position: String(await system.store.head()),
      left: { generations: [1] },
      right: { generations: [whole] },
      hashedWith: 'hashtextextended',
    });
    expect(certificate.tables.find(({ table }) => table === 'conversations')?.rows).toEqual([
      mails + 2,
      mails + 2,
    ]);
  });

  it('is as good over three targets in two databases: slots add up', async () => {
    const [low, middle, high] = divided(allSlots, 3);
    if (!low || !middle || !high) throw new Error('three ranges');
    const { generation } = await system.fill('oltp', [
      { databaseRef: oltp, coverage: { slots: low, tenantId: null }, lanes: 2 },
      { databaseRef: otherOltp, coverage: { slots: middle, tenantId: null } },
      { databaseRef: otherOltp, coverage: { slots: high, tenantId: null } },
    ]);
    const certificate = await system.prove('oltp', generation);
    expect(certificate.gates.filter(({ holds }) => holds === false)).toEqual([]);
    expect(certificate.right.targets).toHaveLength(3);
    const digests = certificate.tables.flatMap((table) => [table.digests[0] === table.digests[1]]);
    expect(new Set(digests)).toEqual(new Set([true]));
  });

  it('is made while the log grows, and holds the lanes for less than a lease', async () => {
    const growing = system.append(history(8, 'while it grows'));
    const certificate = await system.prove('oltp', whole);
    await growing;
    expect(certificate.gates.filter(({ holds }) => holds === false)).toEqual([]);
    expect(certificate.heldMs).toBeLessThan(3_000);
    await system.caughtUp();
  });

  it('takes a part of the slots, and then counts the log itself', async () => {
    const slots = { from: 1000, to: 2999 };
    const { generation } = await system.fill('oltp', [
      { databaseRef: otherOltp, coverage: { slots, tenantId: null } },
    ]);
    const certificate = await system.prove('oltp', generation, {
      coverages: [{ slots, tenantId: null, except: [] }],
    });
    expect(certificate.gates.filter(({ holds }) => holds === false)).toEqual([]);
    expect(gateOf(certificate, 'completeness')).toMatchObject({
      holds: true,
      measured: { countedBy: 'log' },
    });
  });

  it('takes one tenant', async () => {
    const tenantId = idOf('another tenant');
    const { generation } = await system.fill('oltp', [
      { databaseRef: otherOltp, coverage: { slots: allSlots, tenantId } },
    ]);
    const certificate = await system.prove('oltp', generation, {
      coverages: [{ slots: allSlots, tenantId, except: [] }],
    });
    expect(certificate.gates.filter(({ holds }) => holds === false)).toEqual([]);
    expect(certificate.tables.find(({ table }) => table === 'conversations')?.rows).toEqual([10, 10]);
    await expect(system.prove('oltp', generation)).rejects.toThrow(/does not hold slot 0/);
  });
});

describe('the oracle', () => {
  const everything = { oracle: { streams: 1_000, seed: 1 } };

  it.each([
    ['oltp', 150],
    ['content', 38],
    ['olap', 3],
  ] as const)('folds every kind of row of %s for itself, and finds the same', async (tier, rowsMin) => {
    const { generation } = await system.fill(tier);
    const { gates } = await system.prove(tier, generation, everything);
    expect(gates.filter(({ holds }) => holds === false)).toEqual([]);
    const { measured } = gateOf({ gates }, 'oracle');
    expect(measured['rows']).toBeGreaterThanOrEqual(rowsMin);
  });

  it('finds what both sides have wrong alike', async () => {
    const wrong = `set subject = 'altered' where ${ofConversation}`;
    const right = `set subject = 'About mail 1' where ${ofConversation}`;
    const certificate = await proveWith(
      [`update $g.conversations ${wrong}`, `update g1.conversations ${wrong}`],
      [`update $g.conversations ${right}`, `update g1.conversations ${right}`],
      everything,
    );
    expect(gateOf(certificate, 'rows').holds).toBe(true);
    const fault = `conversations ${tenant} ${conversation}: the events say otherwise of subject`;
    expect(gateOf(certificate, 'oracle').detail).toEqual([`left: ${fault}`, `right: ${fault}`]);
  });
});

describe('figures that do not agree across tiers', () => {
  it('are named with their key', async () => {
    const taken = 'from g1.daily_analytics where messages_received > 0';
    const [day] = await system.query<{ tenant_id: string; messages_received: number }>(
      'OLAP_DATABASE_URL',
      `select tenant_id, messages_received ${taken} order by tenant_id limit 1`,
    );
    const add = (by: number) =>
      system.query(
        'OLAP_DATABASE_URL',
        `update g1.daily_analytics set messages_received = messages_received + $2 where tenant_id = $1`,
        [day?.tenant_id, by],
      );
    await add(1);
    const certificate = await system.prove('oltp', whole).finally(() => add(-1));
    expect(gateOf(certificate, 'invariants').detail).toEqual([
      expect.stringContaining('the days count the messages that there are: 1 exceptions'),
      expect.stringMatching(new RegExp(`${day?.tenant_id} .* received \\(\\d+ and \\d+\\)`)),
    ]);
  });
});

describe('a planted fault is caught by name:', () => {
  it('one row changed', async () => {
    const certificate = await proveWith(
      [`update $g.conversations set subject = 'altered' where ${ofConversation}`],
      [`update $g.conversations set subject = 'About mail 1' where ${ofConversation}`],
      { oracle: { streams: 1_000 } },
    );
    expect(certificate.holds).toBe(false);
    expect(gateOf(certificate, 'rows')).toMatchObject({ holds: false });
    expect(gateOf(certificate, 'rows').detail.at(-1)).toMatch(
      new RegExp(`^conversations ${tenant} ${conversation} in slot \\d+: subject$`),
    );
    // Equal counts, different sums.
    const table = certificate.tables.find(({ table }) => table === 'conversations');
    expect(table?.rows[0]).toBe(table?.rows[1]);
    expect(JSON.stringify(certificate)).not.toContain('altered');
    expect(gateOf(certificate, 'oracle').detail).toEqual([
      `right: conversations ${tenant} ${conversation}: the events say otherwise of subject`,
    ]);
  });

  it('one row deleted', async () => {
    const certificate = await proveWith(
      [`delete from $g.conversations where ${ofConversation}`],
      [`insert into $g.conversations select * from g1.conversations where ${ofConversation}`],
    );
    expect(gateOf(certificate, 'rows').detail.join('\n')).toMatch(
      new RegExp(`conversations ${tenant} ${conversation} in slot \\d+: only on the left`),
    );
    expect(gateOf(certificate, 'invariants').detail.join('\n')).toContain(
      'a conversation has as many messages as it counts',
    );
  });

  it('one row added, in a slot that is not its own', async () => {
    const other = idOf('nobody');
    const certificate = await proveWith(
      [
        `insert into $g.users select tenant_id, '${other}', 7, 'x', 'x', 'agent', 'active', now(), now(), 1
         from $g.conversations limit 1`,
      ],
      [`delete from $g.users where id = '${other}'`],
    );
    expect(gateOf(certificate, 'rows').detail.join('\n')).toContain(`${other} in slot 7: only on the right`);
    expect(gateOf(certificate, 'invariants').detail.join('\n')).toMatch(
      new RegExp(`users of ${schema} lie in the slots of their entities: 1 exceptions:\\n.*${other}`),
    );
  });

  it('two rows changed that keep every sum of their values', async () => {
    const [one, other] = [idOf('mail 1'), idOf('mail 2')];
    const swap = `update $g.conversations set created_at = created_at + case id when '${one}' then 1 else -1 end * interval '1 minute'
      where id in ('${one}', '${other}')`;
    const back = swap.replace('then 1 else -1', 'then -1 else 1');
    const certificate = await proveWith([swap], [back]);
    expect(gateOf(certificate, 'rows').detail.filter((line) => line.endsWith(': created_at'))).toHaveLength(
      2,
    );
  });

  it('one event dropped: neither its rows nor its count', async () => {
    const event = await oneEvent('NoteAdded', 'ConversationRead');
    const certificate = await proveWith(
      [
        `delete from $g.conversation_reads where conversation_id = '${event.entityId}'`,
        countChange(event.id, -1),
      ],
      [
        `insert into $g.conversation_reads select * from g1.conversation_reads where conversation_id = '${event.entityId}'`,
        countChange(event.id, 1),
      ],
    );
    expect(gateOf(certificate, 'completeness')).toMatchObject({ holds: false });
    expect(gateOf(certificate, 'completeness').detail).toEqual([
      expect.stringMatching(
        new RegExp(`right, lane 0 of generation ${whole} .*missing is ConversationRead ${event.id} at`),
      ),
    ]);
  });

  it('one event doubled: its count, though no row shows it', async () => {
    const event = await oneEvent('ConversationRead');
    const certificate = await proveWith([countChange(event.id, 1)], [countChange(event.id, -1)]);
    expect(gateOf(certificate, 'completeness').detail).toEqual([
      expect.stringContaining(`counted twice is ConversationRead ${event.id} at`),
    ]);
    expect(gateOf(certificate, 'rows').holds).toBe(true);
  });

  it('one event in place of another: as many, but not the same', async () => {
    const [one, other] = [await oneEvent('ConversationRead'), await oneEvent('ConversationAssigned')];
    const certificate = await proveWith(
      [countChange(one.id, 1), countChange(other.id, -1)],
      [countChange(one.id, -1), countChange(other.id, 1)],
    );
    expect(gateOf(certificate, 'completeness').detail).toEqual([
      expect.stringMatching(/but not the same ones$/),
    ]);
  });

  it('an event that only the new generation has parked', async () => {
    const event = await oneEvent('ConversationAssigned');
    const certificate = await proveWith(
      [
        `insert into $g.parked_sequences (tenant_id, slot, sequence_id, position, event_id, event_type, reason)
         select tenant_id, slot, id, log_position, '${event.id}', 'ConversationAssigned', 'test'
         from $g.conversations where id = '${event.entityId}'`,
      ],
      [`delete from $g.parked_sequences`],
    );
    expect(gateOf(certificate, 'completeness')).toMatchObject({ holds: false, measured: { newlyParked: 1 } });
    expect(gateOf(certificate, 'completeness').detail.join()).toContain(
      `parked, and applied on the left: ConversationAssigned ${event.id}`,
    );
  });

  it('a bug of a projection, in a generation that it filled', async () => {
    const { generation } = await system.fillBy(withBug(oltpTier));
    const certificate = await system.prove('oltp', generation);
    const rows = gateOf(certificate, 'rows');
    expect(rows.holds).toBe(false);
    expect(rows.detail.slice(1)).toEqual(
      rows.detail
        .slice(1)
        .map((): unknown => expect.stringMatching(/^conversations .* in slot \d+: preview$/)),
    );
    expect(gateOf(certificate, 'completeness').holds).toBe(true);
  });
});

describe('a difference that is declared', () => {
  it('is left out, and nothing else is', async () => {
    const { generation } = await system.fillBy(withBug(oltpTier));
    const expectedDifferences = [
      { table: 'conversations', columns: ['preview'], reason: 'previews are shorter' },
    ];
    const accepted = await system.prove('oltp', generation, { expectedDifferences });
    expect(accepted.holds).toBe(true);
    expect(gateOf(accepted, 'expected-differences')).toMatchObject({
      holds: true,
      measured: { declared: 1 },
    });
    await system.query(oltp, `update g${generation}.conversations set subject = 'x' where id = $1`, [
      conversation,
    ]);
    const refused = await system.prove('oltp', generation, { expectedDifferences });
    expect(gateOf(refused, 'rows').detail.slice(1)).toEqual([
      expect.stringMatching(new RegExp(`${conversation} in slot \\d+: subject$`)),
    ]);
  });

  it('may be of some rows only', async () => {
    const { generation } = await system.fillBy(withBug(oltpTier));
    const reason = 'only this one';
    const where = { keys: [[conversation]] };
    const certificate = await system.prove('oltp', generation, {
      expectedDifferences: [{ table: 'conversations', columns: ['preview'], reason, where }],
    });
    const others = gateOf(certificate, 'rows').detail;
    expect(others.length).toBeGreaterThan(1);
    expect(others.join('\n')).not.toContain(conversation);
  });

  it('of a column that does not exist is refused', async () => {
    const expectedDifferences = [{ table: 'conversations', columns: ['colour'], reason: 'x' }];
    await expect(system.prove('oltp', whole, { expectedDifferences })).rejects.toThrow(
      'conversations has no column colour',
    );
  });
});

describe('a generation that was filled before lanes kept sums', () => {
  const isSummed = (text: string): string => `update g1.checkpoints set is_summed = ${text}`;

  it('is not counted, which is said, while the other one is', async () => {
    const certificate = await proveWith([isSummed('false')], [isSummed('true')]);
    expect(certificate.holds).toBe(true);
    expect(gateOf(certificate, 'completeness')).toMatchObject({ holds: true, measured: { right: {} } });
    expect(gateOf(certificate, 'completeness').detail).toEqual([
      expect.stringMatching(/^left: not counted, since it took in events before lanes kept sums of them/),
    ]);
    const event = await oneEvent('ConversationRead');
    const lacking = await proveWith(
      [isSummed('false'), countChange(event.id, -1)],
      [isSummed('true'), countChange(event.id, 1)],
    );
    expect(gateOf(lacking, 'completeness')).toMatchObject({ holds: false });
  });
});

describe('a generation that nobody keeps up to date', () => {
  it('cannot be proved', async () => {
    const { generation } = await system.fill('oltp');
    await system.control.query(
      `update generations set state = 'frozen' where tier = 'oltp' and generation = $1`,
      [generation],
    );
    await expect(system.prove('oltp', generation)).rejects.toThrow(/is frozen: only those that are tailing/);
    await startTailing(system.control, 'oltp', generation);
  });
});

describe('a certificate', () => {
  const demand = () => ({
    ...{ rootKey: system.rootKey, tier: 'oltp', generations: [whole], codeVersion: 'test', now: new Date() },
    withoutShadowReads: true,
  });

  it('allows the cut-over that it proves, read from its file or without its slots', async () => {
    const certificate = await system.prove('oltp', whole);
    const { slots: _slots, ...stored } = certificate;
    expect(verifyCertificate(JSON.parse(JSON.stringify(certificate)), demand()).signature).toBe(
      verifyCertificate(JSON.parse(JSON.stringify(stored)), demand()).signature,
    );
  });

  it('is refused when it was changed, is of another build or generation, or too old', async () => {
    const certificate = await system.prove('oltp', whole);
    const refusal = (value: object, change: object = {}): string => {
      try {
        verifyCertificate(value, { ...demand(), ...change });
      } catch (error) {
        if (error instanceof CertificateRefused) return error.message;
        throw error;
      }
      return 'accepted';
    };
    expect(refusal(certificate)).toBe('accepted');
    expect(refusal({ ...certificate, position: '1' })).toContain('changed after it was signed');
    const gates = certificate.gates.map((gate) => ({ ...gate, holds: true }));
    expect(refusal({ ...certificate, gates })).toContain('changed after it was signed');
    expect(refusal({ ...certificate, slots: { ...certificate.slots, users: [['1 1 aa'], []] } })).toContain(
      'the slots of users are not those that were signed',
    );
    expect(refusal({})).toContain('changed after it was signed');
    expect(refusal(certificate, { rootKey: Buffer.alloc(32) })).toContain('another root key');
    expect(refusal(certificate, { codeVersion: 'next' })).toContain('it is of build test, this is next');
    expect(refusal(certificate, { generations: [whole, 99] })).toContain('does not prove generation 99');
    expect(refusal(certificate, { withoutShadowReads: false })).toContain('shadow-reads was not run');
    expect(refusal(certificate, { tier: 'olap' })).toContain('it is of tier oltp, not olap');
    expect(refusal(certificate, { now: new Date(Date.now() + 25 * 3_600_000) })).toContain('too old');
  });

  it('of a proof that failed is refused with the gates that did not hold', async () => {
    const certificate = await proveWith(
      [`delete from $g.conversations where ${ofConversation}`],
      [`insert into $g.conversations select * from g1.conversations where ${ofConversation}`],
    );
    expect(() => verifyCertificate(certificate, demand())).toThrow(/gate rows does not hold; .*invariants/);
  });
});

/** Previews cut to one letter: what a slip in a fold might do. */
function withBug(tier: ProjectionTier): ProjectionTier {
  return {
    ...tier,
    projections: tier.projections.map((projection) => ({
      ...projection,
      project: (event) =>
        projection.project(
          event.type === 'MessageAttached'
            ? { ...event, data: { ...event.data, preview: event.data.preview.slice(0, 1) } }
            : event,
        ),
    })),
  };
}

async function oneEvent(...types: string[]): Promise<{ id: string; entityId: string }> {
  const { signal } = new AbortController();
  for await (const record of system.store.readRecords({ after: null, withContent: false, signal })) {
    const data = record.data as { conversationId?: string };
    if (types.includes(record.type) && data.conversationId !== undefined)
      return { id: record.id, entityId: data.conversationId };
  }
  throw new Error(`the log has no ${types.join(' or ')}`);
}

/** Lets lane 0 have taken in an event once more, or not at all. */
function countChange(eventId: string, by: 1 | -1): string {
  const half = (from: number): string =>
    `('x' || substr(encode(sha256('${eventId.toLowerCase()}'), 'hex'), ${from}, 16))::bit(64)`;
  const unsigned = (from: number): string =>
    `(case when ${half(from)}::bigint < 0 then ${half(from)}::bigint::numeric + 18446744073709551616 else ${half(from)}::bigint end)`;
  return `update $g.checkpoints set events = events + ${by},
    id_digest_hi = mod(id_digest_hi + ${by} * ${unsigned(1)} + 18446744073709551616, 18446744073709551616),
    id_digest_lo = mod(id_digest_lo + ${by} * ${unsigned(17)} + 18446744073709551616, 18446744073709551616)
    where lane = 0`;
}
