import { jsonEvent } from '@eventstore/db-client';
import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { createEventStore } from '../../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../../apps/shared/event-store/event-store';
import { allSlots, divided } from '../../../apps/shared/generations/coverage';
import {
  createGeneration,
  databaseRefOf,
  ensureFirstGeneration,
  startTailing,
  type Generation,
} from '../../../apps/shared/generations/generations';
import { createKeyRing } from '../../../apps/shared/keys/key-ring';
import { migrate } from '../../../apps/shared/postgres/migrate';
import { createPool } from '../../../apps/shared/postgres/pool';
import { replay } from '../../../apps/shared/projecting/replay';
import { requeue } from '../../../apps/shared/projecting/requeue';
import { streamName } from '../../../domain/stream-name';
import { oltpTier } from '../../../projections/oltp';
import { tablesOf } from '../../../projections/tiers';
import type { ProjectionTier } from '../../../projections/tier';
import { startTestNode, type TestNode } from '../../support/event-store-node';
import { queryAsSuperuser } from '../../support/postgres';
import { runToEnd } from '../../support/processes';
import { idOf, RecordedLog } from '../../support/recorded-log';

const tenantId = idOf('tenant');
const rootKey = randomBytes(32);
const { signal } = new AbortController();
const bounds = {
  ...{ applicationName: 'test', maxConnections: 4, connectionTimeoutMs: 5_000 },
  ...{ statementTimeoutMs: 5_000, queryTimeoutMs: 6_000 },
};
const [first, second] = [databaseRefOf('oltp'), `${databaseRefOf('oltp')}_SECOND`];
const urls: Record<string, string> = {};

/** A build that fails at some events of two conversations, which the real one has learned to project. */
const olderBuild: ProjectionTier = {
  ...oltpTier,
  projections: [
    ...oltpTier.projections,
    {
      name: 'older',
      tables: [],
      project: (event) => {
        if (event.type === 'ConversationAssigned' && event.data.conversationId === idOf('mail 2'))
          throw new Error('not yet');
        if (event.type === 'MessageAttached' && event.data.conversationId === idOf('mail 13'))
          throw new Error('not yet either');
        return [];
      },
    },
  ],
};

let node: TestNode;
let store: EventStore;
let control: Pool;
let keysPool: Pool;
let pools: Map<string, Pool>;

beforeAll(async () => {
  node = await startTestNode();
  for (const name of ['CONTROL_DATABASE_URL', 'KEYS_DATABASE_URL', first, second])
    urls[name] = await node.postgres.createDatabase();
  await migrate(urls['CONTROL_DATABASE_URL'] ?? '', 'control');
  await migrate(urls['KEYS_DATABASE_URL'] ?? '', 'keys');
  control = createPool(urls['CONTROL_DATABASE_URL'] ?? '', bounds);
  keysPool = createPool(urls['KEYS_DATABASE_URL'] ?? '', bounds);
  pools = new Map(
    [first, second].map((name) => [
      name,
      createPool(urls[name] ?? '', { ...bounds, role: 'mailfold_projector' }),
    ]),
  );
  await ensureFirstGeneration(control, urls[first] ?? '', 'oltp', { codeVersion: 'test', lanes: 2 });
  store = createEventStore({ url: node.url(), keys: createKeyRing({ pool: keysPool, rootKey }) });
  await appendHistory();
});
afterAll(async () => {
  await store?.close();
  await Promise.all([control, keysPool, ...(pools?.values() ?? [])].map((pool) => pool?.end()));
  await node?.stop();
});

/** Conversations that share rows: an agent's figures, and messages that move from one to another. */
async function appendHistory(): Promise<void> {
  const log = new RecordedLog();
  for (let n = 0; n < 20; n++) log.mail(`mail ${n}`);
  for (let n = 0; n < 10; n++) log.assign(`mail ${n}`, `agent ${n % 2}`);
  for (let n = 0; n < 5; n++) log.move(`mail ${n}`, `mail ${n}`, `mail ${n + 10}`).resolve(`mail ${n}`);
  log.read('mail 2', 'agent 0', 1).assign('mail 2', 'agent 1').assign('mail 5', 'agent 0');
  for (const { id, streamName: name, revision, metadata, ...event } of log.events)
    await store.append(name, revision === 0 ? 'no-stream' : revision - 1, [{ id, event, metadata }]);
}

async function fill({ targets }: Pick<Generation, 'targets'>, tier: ProjectionTier): Promise<void> {
  const until = (await store.head()) ?? 0n;
  for (const { schema, databaseRef } of targets)
    await replay({
      ...{ store, tier, parser: null, schema, until, signal },
      pool: pools.get(databaseRef)!,
    });
}

async function generationOf(
  shards: number,
  lanes: number,
  tier: ProjectionTier = oltpTier,
): Promise<Generation> {
  const created = await createGeneration(control, new Map(Object.entries(urls)), 'oltp', {
    ...{ codeVersion: 'test', kind: 'rebuild' },
    targets: divided(allSlots, shards).map((slots, n) => ({
      databaseRef: n % 2 === 0 ? first : second,
      coverage: { slots, tenantId: null },
      lanes,
    })),
  });
  await fill(created, tier);
  return created;
}

async function rowsOf({ targets }: Pick<Generation, 'targets'>): Promise<string[]> {
  const found: string[] = [];
  for (const { schema, databaseRef } of targets)
    for (const { name } of tablesOf(oltpTier))
      for (const { row } of await queryAsSuperuser<{ row: string }>(
        urls[databaseRef] ?? '',
        `select to_jsonb(t)::text as row from ${schema}.${name} t`,
      ))
        found.push(`${name} ${row}`);
  return found.sort();
}

async function parkedIn({ targets }: Pick<Generation, 'targets'>): Promise<string[]> {
  const found: string[] = [];
  for (const { schema, databaseRef } of targets) {
    const rows = await queryAsSuperuser<{ name: string }>(
      urls[databaseRef] ?? '',
      `select sequence_id::text as name from ${schema}.parked_sequences
       union select sequence_id::text from ${schema}.stopped_sequences
       union select 'counted' from ${schema}.checkpoints where parked_sequences > 0`,
    );
    found.push(...rows.map(({ name }) => name));
  }
  return [...new Set(found)].sort();
}

function mailfold(...args: string[]): Promise<{ exitCode: number | null; output: string }> {
  return runToEnd('apps/mailfold/main.js', {
    args,
    env: { ...urls, EVENTSTORE_URL: node.url(), MAILFOLD_ROOT_KEY: rootKey.toString('base64') },
  });
}

test.each([
  [1, 1],
  [1, 4],
  [3, 2],
])(
  'in %i targets of %i lanes the rows are then those of a run that never met poison',
  async (shards, lanes) => {
    const clean = await generationOf(1, 1);
    const poisoned = await generationOf(shards, lanes, olderBuild);
    expect(await rowsOf(poisoned)).not.toEqual(await rowsOf(clean));
    expect(await parkedIn(poisoned)).toEqual([idOf('mail 2'), idOf('mail 13'), 'counted'].sort());
    for (const sequenceId of [idOf('mail 13'), idOf('mail 2')])
      for (const { schema, databaseRef } of poisoned.targets) {
        const pool = pools.get(databaseRef)!;
        const options = {
          ...{ store, tier: oltpTier, parser: null, pool, schema },
          tenantId,
          sequenceId,
          signal,
        };
        expect(await requeue(options)).toMatchObject({ outcome: 'requeued' });
        expect(await requeue(options)).toEqual({ outcome: 'not-parked' });
      }
    expect(await rowsOf(poisoned)).toEqual(await rowsOf(clean));
    expect(await parkedIn(poisoned)).toEqual([]);
  },
  30_000,
);

test('what the build still cannot apply stays parked, with nothing changed', async () => {
  const poisoned = await generationOf(1, 2, olderBuild);
  const [target] = poisoned.targets;
  const before = [await rowsOf(poisoned), await parkedIn(poisoned)];
  const outcome = await requeue({
    ...{ store, tier: olderBuild, parser: null, pool: pools.get(first)!, schema: target?.schema ?? '' },
    ...{ tenantId, sequenceId: idOf('mail 2'), signal },
  });
  expect(outcome).toMatchObject({ outcome: 'still-poison', reason: 'not yet' });
  expect([await rowsOf(poisoned), await parkedIn(poisoned)]).toEqual(before);
});

test('mailfold requeue says what goes on and what stays, and takes each sequence for itself', async () => {
  const poisoned = await generationOf(2, 1, olderBuild);
  await startTailing(control, 'oltp', poisoned.generation);
  const metadata = { tenantId, schemaVersion: 1 };
  const unheard = jsonEvent({ type: 'NeverHeardOf', data: {}, metadata });
  await node.client().appendToStream(streamName('conversation', tenantId, idOf('mail 7')), unheard);
  await fill(poisoned, oltpTier);

  expect(await mailfold('requeue', 'oltp')).toMatchObject({ exitCode: 2 });
  const one = await mailfold('requeue', 'oltp', '--tenant', tenantId, '--sequence', idOf('mail 2'));
  expect(one).toMatchObject({ exitCode: 0, output: expect.stringContaining('goes on') as string });
  expect(await parkedIn(poisoned)).toEqual([idOf('mail 7'), idOf('mail 13'), 'counted'].sort());

  const all = await mailfold('--json', 'requeue', 'oltp', '--all');
  expect(all.exitCode).toBe(1);
  expect(all.output).toContain('NeverHeardOf');
  expect(all.output).toContain('"remaining":1');
  expect(await parkedIn(poisoned)).toEqual([idOf('mail 7'), 'counted'].sort());
  // Nothing else has waited for it.
  expect(await rowsOf(poisoned)).toEqual(await rowsOf(await generationOf(1, 1)));
});
