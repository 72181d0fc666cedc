import { Client, type Pool } from 'pg';
import { slotOf } from '../../../../domain/slot';
import { oltpTier } from '../../../../projections/oltp';
import { addDigests, digestOf } from '../../../../apps/shared/log-ledger/id-digest';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { withTenant } from '../../../../apps/shared/postgres/transaction';
import { divideLanes } from '../../../../apps/shared/projecting/divide-lanes';
import { foldEvent, partFor, type ReadableEvent } from '../../../../apps/shared/projecting/fold-event';
import { Lane } from '../../../../apps/shared/projecting/lane';
import type { LaneEvent } from '../../../../apps/shared/projecting/lane-event';
import { LaneLost, takeFreeLanes, type LaneLease } from '../../../../apps/shared/projecting/lane-lease';
import { eventually } from '../../../support/eventually';
import {
  queryAsSuperuser,
  startTestPostgres,
  terminateSessions,
  type TestPostgres,
} from '../../../support/postgres';
import { idOf, RecordedLog } from '../../../support/recorded-log';
import { differences, tableDigests } from '../../../support/tier-rows';

let postgres: TestPostgres;
let url: string;
let pool: Pool;
let schemas = 0;

const bounds = {
  applicationName: 'test',
  maxConnections: 4,
  statementTimeoutMs: 5_000,
  queryTimeoutMs: 6_000,
  connectionTimeoutMs: 5_000,
};

beforeAll(async () => {
  postgres = await startTestPostgres();
  url = await postgres.createDatabase();
  pool = createPool(url, { ...bounds, role: 'mailfold_projector' });
});
afterAll(async () => {
  await pool.end();
  await postgres.stop();
});

async function newSchema(lanes = 1): Promise<string> {
  const schema = `g${(schemas += 1)}`;
  await migrate(url, 'oltp', { schema });
  const width = 4096 / lanes;
  for (let lane = 0; lane < lanes; lane++) {
    await queryAsSuperuser(
      url,
      `insert into ${schema}.checkpoints (lane, slot_from, slot_to) values ($1, $2, $3)`,
      [lane, lane * width, (lane + 1) * width - 1],
    );
  }
  return schema;
}

function laneOf(schema: string, lease: LaneLease, batchSizeMax = 1_000): Lane {
  return new Lane({
    pool,
    tier: 'oltp',
    schema,
    lease,
    batchSizeMax,
    signal: new AbortController().signal,
  });
}

function folded(events: readonly ReadableEvent[]): LaneEvent[] {
  return events.flatMap((event) => foldEvent(oltpTier, event) ?? []);
}

/** Projects the events by fresh leases of all lanes of the schema. */
async function project(
  schema: string,
  events: readonly ReadableEvent[],
  batchSizeMax?: number,
): Promise<void> {
  await queryAsSuperuser(url, `update ${schema}.checkpoints set owner = null`);
  for (const lease of await takeFreeLanes(pool, schema, 'test')) {
    const lane = laneOf(schema, lease, batchSizeMax);
    for (const event of folded(events)) await lane.offer(partFor(lease.coverage, event));
    await lane.settled();
  }
}

async function only(schema: string): Promise<LaneLease> {
  const [lease] = await takeFreeLanes(pool, schema, 'test');
  if (!lease) throw new Error('no lane is free');
  return lease;
}

function history(): RecordedLog {
  const log = new RecordedLog();
  for (let i = 0; i < 20; i++) log.mail(`mail ${i}`);
  for (let i = 0; i < 10; i++) log.assign(`mail ${i}`, `agent ${i % 3}`);
  for (let i = 0; i < 5; i++) log.move(`mail ${i}`, `mail ${i}`, `mail ${i + 10}`).resolve(`mail ${i + 5}`);
  return log.read('mail 15', 'ana', 1);
}

function undecodable({ id, streamName, revision, position }: RecordedLog['events'][number]): ReadableEvent {
  return { undecodable: true, type: 'Unheard', reason: 'unknown type', id, streamName, revision, position };
}

async function expectEqual(left: string, right: string): Promise<void> {
  const wanted = await tableDigests({ url, schema: left });
  expect(differences(right, wanted, await tableDigests({ url, schema: right }))).toEqual([]);
  expect(wanted.find(({ table }) => table === 'conversations')?.rows).toBeGreaterThan(0);
}

describe('a lane', () => {
  it('gives the same rows in batches of one, of seven and of all, delivered once or twice, by one lane or four', async () => {
    const { events } = history();
    const [whole, single, sevens, fourLanes] = [
      await newSchema(),
      await newSchema(),
      await newSchema(),
      await newSchema(4),
    ];
    await project(whole, events);
    await project(single, [...events, ...events], 1);
    await project(sevens, events.slice(0, 33), 7);
    await project(sevens, events, 7);
    await project(fourLanes, events);
    await expectEqual(whole, single);
    await expectEqual(whole, sevens);
    await expectEqual(whole, fourLanes);
  });

  it('counts each event once, whatever the lanes, and sums up their ids as the ledger does', async () => {
    const { events } = history();
    const digest = events.map(({ id }) => digestOf(id)).reduce(addDigests);
    for (const lanes of [1, 4]) {
      const schema = await newSchema(lanes);
      await project(schema, events, 7);
      const rows = await queryAsSuperuser(
        url,
        `select sum(events)::int as events, sum(id_digest_hi) % 18446744073709551616 as hi,
                sum(id_digest_lo) % 18446744073709551616 as lo from ${schema}.checkpoints`,
      );
      expect(rows).toEqual([{ events: events.length, hi: String(digest.hi), lo: String(digest.lo) }]);
    }
  });

  it('stops a poisoned sequence at the same event in every lane, however the slots are divided', async () => {
    const { events } = history();
    const poisoned = new Map([
      ['ConversationOpened', idOf('mail 4')],
      ['ConversationAssigned', idOf('mail 0')],
    ]);
    const readable = events.map((event): ReadableEvent =>
      'conversationId' in event.data && poisoned.get(event.type) === event.data.conversationId
        ? undecodable(event)
        : event,
    );
    const schemas = [await newSchema(), await newSchema(2), await newSchema(8)];
    for (const schema of schemas) await project(schema, readable);
    const [whole, ...divided] = schemas;
    const parkedIn = (schema: string) =>
      queryAsSuperuser<{ reason: string }>(
        url,
        `select event_id, reason from ${schema}.parked_sequences order by position`,
      );
    const parked = await parkedIn(whole ?? '');
    expect(parked.filter(({ reason }) => reason === 'unknown type')).toHaveLength(2);
    expect(parked.length).toBeGreaterThan(4);
    for (const schema of divided) {
      await expectEqual(whole ?? '', schema);
      expect(await parkedIn(schema)).toEqual(parked);
      const counted = `select sum(parked_sequences)::int as n from ${schema}.checkpoints`;
      expect(await queryAsSuperuser(url, counted)).toEqual([{ n: 2 }]);
    }
  });

  it('commits rows and checkpoint together, though its connections are cut again and again', async () => {
    const { events } = history();
    const [reference, schema] = [await newSchema(), await newSchema()];
    await project(reference, events);
    const lane = laneOf(schema, await only(schema), 3);
    for (const [index, event] of folded(events).entries()) {
      await lane.offer(event);
      if (index % 20 === 0) await terminateSessions(url);
    }
    await lane.settled();
    await eventually(() => expectEqual(reference, schema));
  });

  it('is refused once another process has taken it over, and leaves nothing behind', async () => {
    const { events } = history();
    const schema = await newSchema();
    const zombie = laneOf(schema, await only(schema));
    await queryAsSuperuser(
      url,
      `update ${schema}.checkpoints set lease_expires_at = now() - interval '1 second'`,
    );
    await only(schema);
    await zombie.offer(folded(events)[0]!).catch(() => undefined);
    await expect(zombie.settled()).rejects.toBeInstanceOf(LaneLost);
    expect(await queryAsSuperuser(url, `select 1 from ${schema}.inbox_message_refs`)).toEqual([]);
  });

  it('leaves a lane alone while its lease runs', async () => {
    const schema = await newSchema();
    await only(schema);
    expect(await takeFreeLanes(pool, schema, 'another')).toEqual([]);
  });

  it('parks what can never be applied with its sequence, and nothing else', async () => {
    const log = history();
    const poisoned = idOf('mail 3');
    const events = log.events.map((event): ReadableEvent =>
      event.type === 'ConversationOpened' && event.data.conversationId === poisoned
        ? { ...event, data: { ...event.data, subject: 'zero \0 byte' } }
        : event.type === 'ConversationOpened' && event.data.conversationId === idOf('mail 4')
          ? undecodable(event)
          : event,
    );
    const schema = await newSchema();
    await project(schema, events);
    const parked = await queryAsSuperuser<{ id: string; reason: string }>(
      url,
      `select distinct on (sequence_id) sequence_id as id, reason from ${schema}.parked_sequences order by sequence_id, position`,
    );
    expect(parked.map(({ id }) => id).sort()).toEqual([poisoned, idOf('mail 4')].sort());
    expect(parked.map(({ reason }) => reason).sort()).toEqual([
      'invalid byte sequence for encoding "UTF8": 0x00',
      'unknown type',
    ]);
    const [counts] = await queryAsSuperuser<{ n: number; position: string; parked: number }>(
      url,
      `select (select count(*)::int from ${schema}.conversations) as n, commit_position as position, parked_sequences::int as parked from ${schema}.checkpoints`,
    );
    expect(counts).toEqual({ n: 18, position: String(events.at(-1)?.position), parked: 2 });
  });

  it('parks nothing when it is the database that fails', async () => {
    const schema = await newSchema();
    const lane = laneOf(schema, await only(schema));
    await queryAsSuperuser(url, `alter table ${schema}.conversations rename to moved_away`);
    for (const event of folded(history().events)) await lane.offer(event).catch(() => undefined);
    await expect(lane.settled()).rejects.toThrow('does not exist');
    expect(await queryAsSuperuser(url, `select 1 from ${schema}.parked_sequences`)).toEqual([]);
    // The first event is a mail and touches no conversation; the second one cannot be applied, so nothing is behind it.
    expect(lane.checkpoint?.position ?? 0n).toBeLessThan(110n);
  });

  it('parks the sequence of an event whose fold throws', async () => {
    const schema = await newSchema();
    const { events } = new RecordedLog().mail('good').mail('bad');
    const broken = events.map((event): ReadableEvent =>
      event.type === 'MessageAttached' && event.data.conversationId === idOf('bad')
        ? { ...event, data: { ...event.data, at: 'no time' } }
        : event,
    );
    await project(schema, broken);
    const parked = await queryAsSuperuser(url, `select reason from ${schema}.parked_sequences`);
    expect(parked).toEqual([{ reason: 'Invalid time value' }]);
  });

  it('shows a reader the rows of its tenant, and none without one', async () => {
    const other = idOf('another tenant');
    const schema = await newSchema();
    await project(schema, new RecordedLog().mail('ours').mail('theirs', {}, other).events);
    const reader = createPool(url, { ...bounds, role: 'mailfold_reader' });
    const count = `select count(*)::int as n from ${schema}.conversations`;
    try {
      expect((await reader.query<{ n: number }>(count)).rows).toEqual([{ n: 0 }]);
      const seen = await withTenant(reader, other, (client) =>
        client.query<{ id: string }>(`select id from ${schema}.conversations`),
      );
      expect(seen.rows).toEqual([{ id: idOf('theirs') }]);
    } finally {
      await reader.end();
    }
  });

  it('cannot write a row of a tenant whose events are not in its batch', async () => {
    const schema = await newSchema();
    const [event] = folded(new RecordedLog().mail('ours').events);
    const stranger = idOf('a stranger');
    const forged = {
      ...event!,
      operations: event!.operations.map((operation) => ({
        ...operation,
        tenantId: stranger,
        slot: slotOf(stranger, 'x'),
      })),
    };
    const lane = laneOf(schema, await only(schema));
    await lane.offer(forged);
    await lane.settled();
    expect(await queryAsSuperuser(url, `select 1 from ${schema}.inbox_message_refs`)).toEqual([]);
    const parked = await queryAsSuperuser<{ reason: string }>(
      url,
      `select reason from ${schema}.parked_sequences`,
    );
    expect(parked).toEqual([{ reason: expect.stringContaining('row-level security') as string }]);
  });

  it('can be made more and fewer at one position, and neither rows nor counts show it', async () => {
    const { events } = history();
    const readable = events.map((event): ReadableEvent =>
      event.type === 'ConversationOpened' && event.data.conversationId === idOf('mail 4')
        ? undecodable(event)
        : event,
    );
    const [reference, schema] = [await newSchema(2), await newSchema(2)];
    const owner = createPool(url, bounds);
    const { signal } = new AbortController();
    const talliesOf = (which: string) =>
      queryAsSuperuser(
        url,
        `select sum(events) as events, sum(id_digest_hi) % 18446744073709551616 as hi, sum(parked_sequences) as parked,
                min(slot_from) as "from", max(slot_to) as "to", sum(slot_to - slot_from + 1) as width
         from ${which}.checkpoints`,
      );
    try {
      await project(reference, readable);
      await project(schema, readable.slice(0, 25));
      await queryAsSuperuser(url, `update ${schema}.checkpoints set owner = null`);
      const [lease] = await takeFreeLanes(pool, schema, 'loses it');
      await divideLanes({ pool: owner, schema }, 5, { signal });
      const old = laneOf(schema, lease!);
      for (const event of folded(readable.slice(0, 30))) await old.offer(event).catch(() => undefined);
      await expect(old.settled()).rejects.toBeInstanceOf(LaneLost);
      await project(schema, readable.slice(0, 50));
      await divideLanes({ pool: owner, schema }, 1, { signal });
      await project(schema, readable);
    } finally {
      await owner.end();
    }
    await expectEqual(reference, schema);
    expect(await talliesOf(schema)).toEqual(await talliesOf(reference));
    expect(await queryAsSuperuser(url, `select lane from ${schema}.checkpoints`)).toEqual([{ lane: 0 }]);
  });

  it('tells readers of its own schema only, so that a generation nobody reads makes them forget nothing', async () => {
    const [serving, shadow] = [await newSchema(), await newSchema()];
    const listener = new Client({ connectionString: url });
    const told: string[] = [];
    listener.on('notification', ({ payload = '' }) =>
      told.push((JSON.parse(payload) as { schema: string }).schema),
    );
    await listener.connect();
    try {
      await listener.query('listen mailfold_oltp');
      await project(shadow, history().events, 20);
      await listener.query('select 1');
      expect(new Set(told)).toEqual(new Set([shadow]));
      await project(serving, history().events);
      await listener.query('select 1');
      expect(new Set(told)).toEqual(new Set([shadow, serving]));
    } finally {
      await listener.end();
    }
  });
});
