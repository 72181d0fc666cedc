import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { allSlots, divided } from '../../../apps/shared/generations/coverage';
import {
  createGeneration,
  databaseRefOf,
  ensureFirstGeneration,
  startTailing,
} from '../../../apps/shared/generations/generations';
import { createEventStore } from '../../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../../apps/shared/event-store/event-store';
import { createKeyRing } from '../../../apps/shared/keys/key-ring';
import { migrate } from '../../../apps/shared/postgres/migrate';
import { createPool } from '../../../apps/shared/postgres/pool';
import { replay } from '../../../apps/shared/projecting/replay';
import { streamName } from '../../../domain/stream-name';
import { oltpTier } from '../../../projections/oltp';
import { tablesOf } from '../../../projections/tiers';
import { at } from '../../support/commands';
import { eventually } from '../../support/eventually';
import { startTestNode, type TestNode } from '../../support/event-store-node';
import { queryAsSuperuser, startTestPostgres, type TestPostgres } from '../../support/postgres';
import { signalAll, startProcess, type TestProcess } from '../../support/processes';
import { idOf } from '../../support/recorded-log';
import { startPostgresProxy, type PostgresProxy } from '../../support/postgres-proxy';

// Reliability F5: lanes move between processes, and between the living and the dead, without losing or doubling anything.

const tenantId = idOf('tenant');
const rootKey = randomBytes(32);
const bounds = {
  ...{ applicationName: 'test', maxConnections: 4, connectionTimeoutMs: 5_000 },
  ...{ statementTimeoutMs: 5_000, queryTimeoutMs: 6_000 },
};
const first = databaseRefOf('oltp');
const second = `${first}_SECOND`;
const urls: Record<string, string> = {};
const url = (name: string): string => urls[name] ?? '';

interface Writing {
  /** Rejects when a write has failed. */
  stop(): Promise<void>;
}

let node: TestNode;
let elsewhere: TestPostgres;
let store: EventStore;
let control: Pool;
let keysPool: Pool;
let opened = 0;
const processes = new Set<TestProcess>();
const writings = new Set<Writing>();
const proxies = new Set<PostgresProxy>();

beforeAll(async () => {
  [node, elsewhere] = await Promise.all([startTestNode(), startTestPostgres()]);
  for (const name of ['CONTROL', 'KEYS', 'OLTP', 'CONTENT', 'OLAP'])
    urls[`${name}_DATABASE_URL`] = await node.postgres.createDatabase();
  urls[second] = await elsewhere.createDatabase();
  await migrate(url('CONTROL_DATABASE_URL'), 'control');
  await migrate(url('KEYS_DATABASE_URL'), 'keys');
  control = createPool(url('CONTROL_DATABASE_URL'), bounds);
  keysPool = createPool(url('KEYS_DATABASE_URL'), bounds);
  await ensureFirstGeneration(control, url(first), 'oltp', { codeVersion: 'test', lanes: 4 });
  const [low = allSlots, high = allSlots] = divided(allSlots, 2);
  await createGeneration(control, new Map(Object.entries(urls)), 'oltp', {
    ...{ codeVersion: 'test', kind: 'repartition' },
    targets: [
      { databaseRef: first, coverage: { slots: low, tenantId: null }, lanes: 2 },
      { databaseRef: second, coverage: { slots: high, tenantId: null }, lanes: 2 },
    ],
  });
  await startTailing(control, 'oltp', 2);
  const keys = createKeyRing({ pool: keysPool, rootKey });
  store = createEventStore({ url: node.url(), keys });
});
// What a failed test has left behind must neither stand in the way of the next nor keep Jest from its end.
afterEach(async () => {
  for (const running of processes) running.kill('SIGKILL');
  await Promise.all([...processes].map(({ exited }) => exited));
  await Promise.allSettled([...writings, ...proxies].map((each) => each.stop()));
  writings.clear();
  proxies.clear();
});
afterAll(async () => {
  await store?.close();
  await Promise.all([control?.end(), keysPool?.end()]);
  await Promise.all([node?.stop(), elsewhere?.stop()]);
});

async function startProjector(ownUrls: Record<string, string> = {}): Promise<TestProcess> {
  const running = await startProcess('apps/projector/main.js', {
    env: {
      ...{ ...urls, ...ownUrls, EVENTSTORE_URL: node.url(), PROJECTOR_TIERS: 'oltp' },
      MAILFOLD_ROOT_KEY: rootKey.toString('base64'),
    },
  });
  processes.add(running);
  void running.exited.then(() => processes.delete(running));
  return running;
}

/** Conversations open, one after the other, until it is told to stop. */
function write(): Writing {
  let isOn = true;
  const done = (async () => {
    for (; isOn; await delay(5)) await open();
  })();
  // Told by `stop`: on its own it would end the test, whose code would go on and start processes that nobody ends.
  done.catch(() => undefined);
  const writing = { stop: async () => ((isOn = false), done) };
  writings.add(writing);
  return writing;
}

async function open(): Promise<void> {
  const conversationId = idOf(`conversation ${(opened += 1)}`);
  const actor = { kind: 'system' as const, id: null };
  const data = { conversationId, mailboxId: idOf('mailbox'), rootNodeId: conversationId, subject: 'Hello' };
  await store.append(streamName('conversation', tenantId, conversationId), 'no-stream', [
    {
      id: idOf(`event ${opened}`),
      event: { type: 'ConversationOpened', data: { ...data, openedAt: at } },
      metadata: {
        ...{ tenantId, schemaVersion: 1, occurredAt: at, actor, commandId: idOf('c') },
        ...{ $correlationId: idOf('c'), $causationId: idOf('c') },
      },
    },
  ]);
}

const targets = [
  { database: first, schema: 'g1' },
  { database: first, schema: 'g2s0' },
  { database: second, schema: 'g2s1' },
];

/** How many lanes of each target a process holds. */
async function lanesHeldBy({ pid }: TestProcess, which = targets): Promise<number[]> {
  const counts: number[] = [];
  for (const { database, schema } of which) {
    const rows = await queryAsSuperuser<{ n: number }>(
      url(database),
      `select count(*)::int as n from ${schema}.checkpoints where owner like $1 and lease_expires_at > now()`,
      [`%/${pid}/%`],
    );
    counts.push(rows[0]?.n ?? 0);
  }
  return counts;
}

/** Every lane is at the head of the log, and all rows are those of a fold by nobody else. */
async function expectAllAsFoldedAlone(): Promise<void> {
  const head = (await store.head()) ?? 0n;
  await eventually(async () => {
    for (const { database, schema } of targets)
      expect(
        await queryAsSuperuser(
          url(database),
          `select distinct commit_position::text as position from ${schema}.checkpoints`,
        ),
      ).toEqual([{ position: String(head) }]);
  }, 15_000);
  const databases = new Map(Object.entries(urls));
  const alone = await createGeneration(control, databases, 'oltp', {
    ...{ codeVersion: 'test', kind: 'rebuild' },
    targets: [{ databaseRef: first, coverage: { slots: allSlots, tenantId: null } }],
  });
  const schema = alone.targets[0]?.schema ?? '';
  const pool = createPool(url(first), { ...bounds, role: 'mailfold_projector' });
  const { signal } = new AbortController();
  await replay({
    ...{ store, tier: oltpTier, parser: null, pool, signal },
    ...{ schema, until: head },
  });
  await pool.end();
  const expected = await rowsOf([{ database: first, schema }]);
  expect(expected.filter((row) => row.startsWith('conversations'))).toHaveLength(opened);
  expect(await rowsOf(targets.slice(0, 1))).toEqual(expected);
  expect(await rowsOf(targets.slice(1))).toEqual(expected);
}

async function rowsOf(which: readonly { database: string; schema: string }[]): Promise<string[]> {
  const found: string[] = [];
  for (const { database, schema } of which) {
    const tables = [...tablesOf(oltpTier).map(({ name }) => name)];
    for (const name of tables)
      for (const { row } of await queryAsSuperuser<{ row: string }>(
        url(database),
        `select to_jsonb(t)::text as row from ${schema}.${name} t`,
      ))
        found.push(`${name} ${row}`);
    const [tally] = await queryAsSuperuser<{ events: number }>(
      url(database),
      `select sum(events)::int as events from ${schema}.checkpoints`,
    );
    found.push(...Array.from({ length: tally?.events ?? 0 }, () => 'event'));
  }
  return found.sort();
}

test('processes that come, stop and are killed share the lanes evenly, under writes, and nothing is lost', async () => {
  const writing = write();
  const [one, two] = [await startProjector(), await startProjector()];
  for (const each of [one, two])
    await eventually(async () => expect(await lanesHeldBy(each)).toEqual([2, 1, 1]));

  const three = await startProjector();
  await eventually(async () => {
    const shares = await Promise.all([one, two, three].map((each) => lanesHeldBy(each)));
    expect(shares.map(([whole]) => whole).sort()).toEqual([1, 1, 2]);
    expect(shares.map((share) => share.reduce((sum, lanes) => sum + lanes))).toEqual(
      expect.arrayContaining([2, 3, 3]),
    );
  });

  expect(await three.stop()).toBe(0);
  for (const each of [one, two])
    await eventually(async () => expect(await lanesHeldBy(each)).toEqual([2, 1, 1]));

  two.kill('SIGKILL');
  await two.exited;
  await eventually(async () => expect(await lanesHeldBy(one)).toEqual([4, 2, 2]));

  await writing.stop();
  await expectAllAsFoldedAlone();
  await one.stop();
});

test('a process that was frozen past its leases finds its lanes taken over, and writes nothing', async () => {
  const frozen = await startProjector();
  await eventually(async () => expect(await lanesHeldBy(frozen)).toEqual([4, 2, 2]));
  const writing = write();
  await delay(300);
  frozen.kill('SIGSTOP');
  const successor = await startProjector();
  await eventually(async () => expect(await lanesHeldBy(successor)).toEqual([4, 2, 2]), 15_000);
  await delay(300);
  const epochs = () =>
    queryAsSuperuser(url(first), 'select lane, epoch, owner from g1.checkpoints order by lane');
  const before = await epochs();
  successor.kill('SIGSTOP');
  frozen.kill('SIGCONT');
  // Time to write what it held, did anything let it.
  await delay(400);
  expect(await epochs()).toEqual(before);
  successor.kill('SIGCONT');
  await writing.stop();
  await expectAllAsFoldedAlone();
  await frozen.stop();
  await successor.stop();
});

test('a process that is cut off from one database leaves the lanes there to another, and has its share again later', async () => {
  const proxy = await startPostgresProxy(url(second));
  proxies.add(proxy);
  const [one, other] = [await startProjector(), await startProjector({ [second]: proxy.url })];
  const share = [2, 1, 1];
  for (const each of [one, other])
    await eventually(async () => expect(await lanesHeldBy(each)).toEqual(share));
  const writing = write();
  proxy.cut();
  await eventually(async () => expect(await lanesHeldBy(one)).toEqual([2, 1, 2]), 15_000);
  expect(await lanesHeldBy(other)).toEqual([2, 1, 0]);
  proxy.mend();
  for (const each of [one, other])
    await eventually(async () => expect(await lanesHeldBy(each)).toEqual(share), 15_000);
  await writing.stop();
  await expectAllAsFoldedAlone();
  await Promise.all([one.stop(), other.stop()]);
});

test('a target whose database is away stops no other, health names it, and it catches up', async () => {
  const projector = await startProjector();
  await eventually(async () => expect(await lanesHeldBy(projector)).toEqual([4, 2, 2]));
  const isDown = new Promise<void>((resolve) => elsewhere.server.onExit(resolve));
  signalAll([elsewhere.server.pid], 'SIGQUIT');
  await isDown;
  const writing = write();
  const positionOf = async (schema: string): Promise<bigint> => {
    const rows = await queryAsSuperuser<{ position: string }>(
      url(first),
      `select min(commit_position)::text as position from ${schema}.checkpoints`,
    );
    return BigInt(rows[0]?.position ?? 0);
  };
  await delay(2_000);
  const health = await fetch(`http://127.0.0.1:${projector.port}/healthz`);
  expect(health.status).toBe(503);
  expect(await health.json()).toMatchObject({
    generations: expect.arrayContaining([
      expect.objectContaining({
        generation: 2,
        targets: [
          expect.objectContaining({ schema: 'g2s0', unreachable: null }),
          expect.objectContaining({ schema: 'g2s1', unreachable: expect.any(String) as string }),
        ],
      }),
    ]) as unknown,
  });
  const head = (await store.head()) ?? 0n;
  for (const schema of ['g1', 'g2s0'])
    await eventually(async () => expect(await positionOf(schema)).toBeGreaterThanOrEqual(head), 3_000);
  await writing.stop();
  await elsewhere.server.restart();
  await expectAllAsFoldedAlone();
  await projector.stop();
});
