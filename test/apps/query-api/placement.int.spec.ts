import { Client, type Pool } from 'pg';
import type { AnyTable } from '../../../projections/projection';
import { projectionTier, tablesOf } from '../../../projections/tiers';
import { allSlots, covers, divided, type SlotRange } from '../../../apps/shared/generations/coverage';
import {
  createGeneration,
  databaseRefOf,
  generationNamed,
  startTailing,
  type TargetToMake,
} from '../../../apps/shared/generations/generations';
import {
  partsOf,
  readPlacement,
  switchPointers,
  type Move,
  type Target,
} from '../../../apps/shared/generations/placement';
import { createPool } from '../../../apps/shared/postgres/pool';
import { eventually } from '../../support/eventually';
import { placedTenant, type PlacedTenant } from './placed-tenant';
import { QueryApi, type Answer } from './query-api';
import { ReadSide, type Row, type Tier } from './read-side';

const tiers: readonly Tier[] = ['oltp', 'content', 'olap'];
const adminKey = 'operator-key-of-24-characters';
const position = 7;

let side: ReadSide;
let api: QueryApi;
let control: Pool;
let acme: PlacedTenant;
let other: PlacedTenant;
const urls = new Map<string, string>();
/** What each route answers while all rows lie in one schema. */
let inOneSchema: Map<string, string>;

beforeAll(async () => {
  side = await ReadSide.start();
  for (const tier of tiers) {
    urls.set(databaseRefOf(tier), side.urlOf(tier));
    urls.set(`${databaseRefOf(tier)}_EAST`, await side.postgres.createDatabase());
  }
  control = createPool(side.urlOf('control'), {
    ...{ applicationName: 'test', maxConnections: 2, statementTimeoutMs: 5_000 },
    ...{ queryTimeoutMs: 6_000, connectionTimeoutMs: 5_000 },
  });
  [acme, other] = [placedTenant('acme'), placedTenant('other')];
  for (const tier of tiers)
    await fill(tier, { slots: allSlots, tenantId: null }, { databaseRef: databaseRefOf(tier), schema: 'g1' });
  api = await QueryApi.start(side, { ...Object.fromEntries(urls), MAILFOLD_ADMIN_KEY: adminKey });
  inOneSchema = await allAnswers();
});

afterAll(async () => {
  await api?.process.stop();
  await control?.end();
  await side?.stop();
});

/** Puts the tenants' rows where they belong, and the lanes where the log is. */
async function fill(
  tier: Tier,
  { slots, tenantId }: { slots: SlotRange; tenantId: string | null },
  { databaseRef, schema }: Pick<Target, 'databaseRef' | 'schema'>,
): Promise<void> {
  await withClient(databaseRef, async (client) => {
    const tables = new Map<string, Row[]>(tablesNamed(tier).map(({ name }) => [name, []]));
    for (const tenant of [acme, other])
      for (const { tier: its, table, slot, row } of tenant.rows)
        if (its === tier && covers({ slots, tenantId, except: [] }, { tenantId: tenant.tenantId, slot }))
          tables.set(table, [...(tables.get(table) ?? []), row]);
    for (const [table, rows] of tables) {
      await client.query(`truncate ${schema}.${table}`);
      await insert(client, `${schema}.${table}`, rows);
    }
    await client.query(`update ${schema}.checkpoints set commit_position = $1`, [position]);
  });
}

function tablesNamed(tier: Tier): AnyTable[] {
  const known = projectionTier(tier);
  if (known === undefined) throw new Error(`No tier ${tier}`);
  return tablesOf(known);
}

async function insert(client: Client, table: string, rows: readonly Row[]): Promise<void> {
  const asText = (value: unknown): unknown =>
    value instanceof Buffer ? `\\x${value.toString('hex')}` : value;
  const records = rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, asText(value)])),
  );
  const sql = `insert into ${table} select * from jsonb_populate_recordset(null::${table}, $1)`;
  await client.query(sql, [JSON.stringify(records)]);
}

async function withClient(databaseRef: string, work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: urls.get(databaseRef) });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

async function filledGeneration(tier: Tier, targets: readonly TargetToMake[]): Promise<number> {
  const { generation, targets: made } = await createGeneration(control, urls, tier, {
    ...{ codeVersion: 'test', kind: 'repartition', targets },
  });
  for (const target of made) await fill(tier, target, target);
  await startTailing(control, tier, generation);
  return generation;
}

function shards(tier: Tier, count: number): TargetToMake[] {
  return divided(allSlots, count).map((slots, n) => ({
    databaseRef: n % 2 === 0 ? databaseRefOf(tier) : `${databaseRefOf(tier)}_EAST`,
    coverage: { slots, tenantId: null },
    // Lanes of several shards have the same numbers.
    lanes: 2,
  }));
}

const whole = (tier: Tier): TargetToMake[] => [
  { databaseRef: `${databaseRefOf(tier)}_EAST`, coverage: { slots: allSlots, tenantId: null } },
];

/** Switches, fills every target and spoils each row that it does not serve, and waits until the API has heard. */
async function moved(tier: Tier, moves: readonly Move[]): Promise<void> {
  const { epoch } = await readPlacement(control, tier);
  const placement = await switchPointers(control, tier, { epoch, moves });
  for (const target of placement.targets) {
    await fill(tier, target, target);
    await withClient(target.databaseRef, async (client) => {
      for (const { tenantId } of [acme, other]) {
        const served = partsOf(placement, tenantId).filter((part) => part.target.schema === target.schema);
        const unserved = served.map(({ slots: { from, to } }) => ` and slot not between ${from} and ${to}`);
        await spoil(client, tier, target.schema, `tenant_id = '${tenantId}'${unserved.join('')}`);
      }
    });
  }
  const expected = [acme, other].map(({ tenantId }) => [
    ...new Set(partsOf(placement, tenantId).map(({ target }) => target.generation)),
  ]);
  await eventually(async () => {
    const answers = await Promise.all([acme, other].map(({ key }) => api.get('/v1/status', key)));
    const standing = answers.map(({ json }) => json.tiers.find((each) => each['tier'] === tier));
    expect(standing.map((each) => [...(each?.['generations'] as number[])].sort())).toEqual(
      expected.map((each) => each.sort()),
    );
  });
}

/** So that a row which is read from the wrong place shows. */
async function spoil(client: Client, tier: Tier, schema: string, condition: string): Promise<void> {
  for (const { name, columns } of tablesNamed(tier)) {
    const texts = ['subject', 'name', 'body', 'address', 'raw_sha256', 'parked_reason', 'content_sha256'];
    const figures = ['messages_received', 'open_conversations', 'seen_count'];
    const changes = [
      ...texts.filter((column) => column in columns).map((column) => `${column} = 'spoilt'`),
      ...figures.filter((column) => column in columns).map((column) => `${column} = 1000000`),
    ];
    if (changes.length > 0)
      await client.query(`update ${schema}.${name} set ${changes.join(', ')} where ${condition}`);
  }
}

/** Every route of both tenants; lists page by page. */
async function allAnswers(): Promise<Map<string, string>> {
  const answers = new Map<string, string>();
  for (const tenant of [acme, other]) {
    for (const path of paths(tenant))
      answers.set(`${tenant.tenantId} ${path}`, seen(await api.get(path, tenant.key)));
    for (const path of pagedPaths(tenant)) {
      let cursor: string | null = null;
      do {
        const more: string = cursor === null ? path : `${path}&cursor=${cursor}`;
        const answer = await api.get(more, tenant.key);
        answers.set(`${tenant.tenantId} ${more}`, seen(answer));
        cursor = answer.json.nextCursor;
      } while (cursor !== null);
    }
  }
  return answers;
}

function seen({ status, text, headers }: Answer): string {
  const named = ['etag', 'content-location', 'x-read-model-position'].map((name) => headers.get(name));
  return [status, ...named, text].join('\n');
}

function paths(tenant: PlacedTenant): string[] {
  return [
    ...[...tenant.conversationIds, ...tenant.aliasIds].map((id) => `/v1/conversations/${id}`),
    `/v1/messages/${tenant.messageId}`,
    `/v1/messages/${tenant.messageId}/raw`,
    `/v1/messages/${tenant.messageId}/attachments/${tenant.attachmentId}`,
    `/v1/messages/${tenant.parkedMessageId}`,
    ...tenant.agentIds.map((id) => `/v1/agents/${id}/stats`),
    `/v1/agents/stats?after=${position}`,
    `/v1/analytics/daily?from=2026-11-17&to=2026-11-21&after=${position}`,
    ...tenant.mailboxIds.map((id) => `/v1/analytics/daily?from=2026-11-18&to=2026-11-20&mailboxId=${id}`),
    // Of the other tenant: nothing of it is found from here.
    `/v1/conversations/${(tenant === acme ? other : acme).conversationId}`,
  ];
}

function pagedPaths(tenant: PlacedTenant): string[] {
  return [
    '/v1/conversations?limit=5',
    `/v1/conversations?limit=2&mailboxId=${tenant.mailboxIds[1]}`,
    `/v1/conversations?limit=2&assigneeId=${tenant.agentIds[1]}`,
    '/v1/conversations?limit=200',
    `/v1/conversations/${tenant.conversationId}?limit=4`,
    '/v1/parked?limit=2',
    '/v1/users?limit=2',
    '/v1/mailboxes?limit=3',
  ];
}

async function expectSameAnswers(): Promise<void> {
  const answers = await allAnswers();
  expect([...answers.keys()]).toEqual([...inOneSchema.keys()]);
  for (const [path, answer] of answers) expect([path, answer]).toEqual([path, inOneSchema.get(path)]);
}

test('the rows of one schema are many enough to tell', () => {
  const all = [...inOneSchema.values()];
  expect(all.filter((answer) => answer.startsWith('200\n'))).toHaveLength(all.length - 2);
  expect(all.filter((answer) => answer.includes('"nextCursor":"')).length).toBeGreaterThan(30);
  expect(all.join()).not.toContain('spoilt');
});

describe('every route answers, to the byte, as from one schema', () => {
  /** Of each tier: a second copy, four shards, and one tenant's own. */
  const made = new Map<Tier, { copy: number; four: number; own: number }>();

  beforeAll(async () => {
    for (const tier of tiers) {
      const coverage = { slots: allSlots, tenantId: acme.tenantId };
      made.set(tier, {
        copy: await filledGeneration(tier, whole(tier)),
        four: await filledGeneration(tier, shards(tier, 4)),
        own: await filledGeneration(tier, [{ databaseRef: `${databaseRefOf(tier)}_EAST`, coverage }]),
      });
    }
  });

  async function eachTierMoved(
    movesOf: (to: { copy: number; four: number; own: number }, tier: Tier) => Move[],
  ): Promise<void> {
    for (const [tier, to] of made) await moved(tier, movesOf(to, tier));
  }

  async function expectTargets(count: number): Promise<void> {
    const { json } = await api.get('/v1/status', acme.key);
    expect(json.tiers.map(({ targets, position: reached }) => [targets, reached])).toEqual(
      tiers.map(() => [count, String(position)]),
    );
  }

  it('when one slot is served by another generation', async () => {
    await eachTierMoved(({ copy }, tier) => {
      // One in which there is something to be seen.
      const slot = acme.rows.find((each) => each.tier === tier)?.slot ?? 0;
      return [{ slots: { from: slot, to: slot }, to: copy }];
    });
    await expectSameAnswers();
    await expectTargets(2);
  });

  it('from four shards in two databases', async () => {
    await eachTierMoved(({ four }) => [{ slots: allSlots, to: four }]);
    await expectSameAnswers();
    await expectTargets(4);
  });

  it('when one tenant has a database of its own', async () => {
    await eachTierMoved(({ own }) => [{ tenantId: acme.tenantId, to: own }]);
    await expectSameAnswers();
    await expectTargets(1);
  });

  it('when shards, single slots and tenants lie in many places', async () => {
    await eachTierMoved(({ copy }) => [
      { slots: { from: 1_000, to: 3_500 }, to: copy },
      { slots: { from: 2_000, to: 2_999 }, to: 1 },
      { tenantId: acme.tenantId, to: null },
      { tenantId: other.tenantId, to: copy },
    ]);
    await expectSameAnswers();
    // The first and the last of the four shards, the copy twice, and what was there in the beginning.
    await expectTargets(4);
  });
});

describe('a generation that is named', () => {
  const frozen = async (tier: Tier): Promise<number> => {
    const number = await filledGeneration(tier, whole(tier));
    await control.query(
      `update generations set state = 'frozen', kind = 'as-of' where tier = $1 and generation = $2`,
      [tier, number],
    );
    const { targets } = await generationNamed(control, tier, number);
    await withClient(targets[0]?.databaseRef ?? '', (client) =>
      client.query(`update g${number}.conversations set subject = 'as it was'`).then(() => undefined),
    );
    return number;
  };
  let asOf: number;

  beforeAll(async () => {
    asOf = await frozen('oltp');
    await api.get('/v1/users?after=1', acme.key);
  });

  const path = (): string => `/v1/conversations?limit=1`;
  const subject = ({ status, json }: Answer): unknown => [status, json.items?.[0]?.subject];

  it('is read by its tenant when it is frozen, by parameter or header', async () => {
    await eventually(async () =>
      expect(subject(await api.get(`${path()}&generation=${asOf}`, acme.key))).toEqual([200, 'as it was']),
    );
    const headers = { 'x-read-generation': `oltp:${asOf}` };
    expect(subject(await api.get(path(), acme.key, headers))).toEqual([200, 'as it was']);
    expect(subject(await api.get(path(), acme.key))).not.toEqual([200, 'as it was']);
  });

  it('does not wait for what it will never know', async () => {
    const startedAt = performance.now();
    const { status } = await api.get(`${path()}&generation=${asOf}&after=${position + 1}`, acme.key);
    expect([status, performance.now() - startedAt < 1_000]).toEqual([503, true]);
  });

  it.each([
    ['is not there', () => '99'],
    ['is not frozen', () => '1'],
  ])('is not found when it %s', async (_what, number) => {
    expect((await api.get(`${path()}&generation=${number()}`, acme.key)).status).toBe(404);
  });

  it('is refused when it is none', async () => {
    expect((await api.get(`${path()}&generation=one`, acme.key)).status).toBe(400);
    expect((await api.get(path(), acme.key, { 'x-read-generation': 'queue:1' })).status).toBe(400);
  });

  it('may be one that is kept up to date for the operator, who reads as a tenant', async () => {
    const headers = { 'x-tenant-id': acme.tenantId, 'x-read-generation': 'oltp:1' };
    expect((await api.get(path(), adminKey, headers)).status).toBe(200);
    expect((await api.get(path(), adminKey, { 'x-tenant-id': acme.tenantId })).text).toBe(
      (await api.get(path(), acme.key)).text,
    );
    expect((await api.get(path(), adminKey)).status).toBe(401);
    expect((await api.get(path(), `${adminKey}x`, headers)).status).toBe(401);
  });
});

test('a target in a database without URL takes its tenants along and no others, and names the variable', async () => {
  const withoutEast = await QueryApi.start(side, { MAILFOLD_ADMIN_KEY: adminKey });
  try {
    // The other tenant is served from the east in each tier, and this one in some slots.
    const { status, json } = await withoutEast.get('/v1/users', other.key);
    expect([status, json['detail']]).toEqual([503, expect.stringContaining('OLTP_DATABASE_URL_EAST')]);
    const { epoch } = await readPlacement(control, 'oltp');
    await switchPointers(control, 'oltp', { epoch, moves: [{ slots: allSlots, to: 1 }] });
    await eventually(async () => expect((await withoutEast.get('/v1/users', acme.key)).status).toBe(200));
    expect((await withoutEast.get('/v1/users', other.key)).status).toBe(503);
  } finally {
    await withoutEast.process.stop();
  }
});
