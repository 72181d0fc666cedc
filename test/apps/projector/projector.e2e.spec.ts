import { jsonEvent } from '@eventstore/db-client';
import { createHash, randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import type { Pool } from 'pg';
import type { MailfoldEvent } from '../../../domain/catalogue.events';
import { streamName } from '../../../domain/stream-name';
import { createEventStore } from '../../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../../apps/shared/event-store/event-store';
import {
  createGeneration,
  ensureFirstGeneration,
  databaseRefOf,
  retireGeneration,
  soleLiveGeneration,
  soleTargetOf,
  startTailing,
  type GenerationToMake,
} from '../../../apps/shared/generations/generations';
import { allSlots, wholeTier } from '../../../apps/shared/generations/coverage';
import {
  readPlacement,
  switchPointers,
  SwitchRefused,
  wayBack,
} from '../../../apps/shared/generations/placement';
import { createKeyRing } from '../../../apps/shared/keys/key-ring';
import { migrate } from '../../../apps/shared/postgres/migrate';
import { createPool } from '../../../apps/shared/postgres/pool';
import { replay } from '../../../apps/shared/projecting/replay';
import { projectionTier, projectionTiers } from '../../../projections/tiers';
import { oltpTier } from '../../../projections/oltp';
import { eventually } from '../../support/eventually';
import { received } from '../../support/message-builders';
import { queryAsSuperuser } from '../../support/postgres';
import { runToEnd, startProcess, type TestProcess } from '../../support/processes';
import { startTestNode, type TestNode } from '../../support/event-store-node';
import { idOf } from '../../support/recorded-log';
import { tableDigests, type TableDigest } from '../../support/tier-rows';

const tenantId = idOf('tenant');
const rootKey = randomBytes(32);
const raw = Buffer.from(
  'From: cara@customer.example\r\nTo: help@acme.example\r\nSubject: Hello\r\nMessage-ID: <1@x.example>\r\n\r\nWhere is it?\r\n',
);
const bounds = {
  applicationName: 'test',
  maxConnections: 4,
  statementTimeoutMs: 5_000,
  queryTimeoutMs: 6_000,
  connectionTimeoutMs: 5_000,
};

let node: TestNode;
let store: EventStore;
let keysPool: Pool;
let controlPool: Pool;
let projector: TestProcess;
const urls: Record<string, string> = {};

beforeAll(async () => {
  node = await startTestNode();
  for (const name of ['CONTROL', 'KEYS', 'OLTP', 'CONTENT', 'OLAP']) {
    urls[`${name}_DATABASE_URL`] = await node.postgres.createDatabase();
  }
  await migrate(url('CONTROL'), 'control');
  await migrate(url('KEYS'), 'keys');
  controlPool = createPool(url('CONTROL'), bounds);
  keysPool = createPool(url('KEYS'), bounds);
  for (const { tier } of projectionTiers) {
    await ensureFirstGeneration(controlPool, url(tier.toUpperCase()), tier);
  }
  const keys = createKeyRing({ pool: keysPool, rootKey });
  store = createEventStore({ url: eventStoreUrl(), keys });
  projector = await startProjector();
});
afterAll(async () => {
  await projector?.stop();
  await store?.close();
  await keysPool?.end();
  await controlPool?.end();
  await node?.stop();
});

const ofThreeLanes: GenerationToMake = {
  codeVersion: 'test',
  kind: 'rebuild',
  targets: [{ databaseRef: databaseRefOf('oltp'), coverage: wholeTier, lanes: 3 }],
};

function databases(): ReadonlyMap<string, string> {
  return new Map([[databaseRefOf('oltp'), url('OLTP')]]);
}

function url(name: string): string {
  return urls[`${name}_DATABASE_URL`] ?? '';
}

function eventStoreUrl(): string {
  return `esdb://127.0.0.1:${node.port()}?tls=false`;
}

function startProjector(): Promise<TestProcess> {
  return startProcess('apps/projector/main.js', {
    env: { ...urls, EVENTSTORE_URL: eventStoreUrl(), MAILFOLD_ROOT_KEY: rootKey.toString('base64') },
  });
}

/** A mail as the command API appends it: its sealed bytes in two chunks, then the fact. */
async function receive(name: string): Promise<void> {
  const messageId = idOf(name);
  const stream = streamName('message', tenantId, messageId);
  const zipped = gzipSync(raw);
  const fact = received({
    ...{ messageId, mailboxId: idOf('mailbox'), threadNodeId: messageId, subject: 'Hello' },
    content: {
      ...{ streamName: stream, storageKey: `raw/${messageId}`, chunks: 2, compression: 'gzip' as const },
      ...{ rawSize: raw.length, sha256: createHash('sha256').update(raw).digest('hex') },
    },
  });
  const events: MailfoldEvent[] = [
    { type: 'MessageContentStored', data: { chunk: 0, bytes: zipped.subarray(0, 20) } },
    { type: 'MessageContentStored', data: { chunk: 1, bytes: zipped.subarray(20) } },
    { type: 'MessageReceived', data: fact },
  ];
  const metadata = {
    ...{
      tenantId,
      schemaVersion: 1,
      occurredAt: fact.receivedAt,
      actor: { kind: 'system' as const, id: null },
    },
    ...{ commandId: idOf('c'), $correlationId: idOf('c'), $causationId: idOf('c') },
  };
  await store.append(
    stream,
    'no-stream',
    events.map((event, index) => ({ id: idOf(`${name} ${index}`), event, metadata })),
  );
}

async function countOf(tier: string, table: string, schema = 'g1'): Promise<number> {
  const [row] = await queryAsSuperuser<{ n: number }>(
    url(tier),
    `select count(*)::int as n from ${schema}.${table}`,
  );
  return row?.n ?? 0;
}

test('a mail in the log is in all three tiers, its raw bytes untouched', async () => {
  await receive('first');
  await eventually(async () => {
    expect(await countOf('OLTP', 'inbox_message_refs')).toBe(1);
    expect(await countOf('CONTENT', 'content_objects')).toBe(1);
    expect(await countOf('OLAP', 'daily_analytics')).toBe(1);
  });
  const [content] = await queryAsSuperuser<{ content_raw: Buffer; parked_reason: string | null }>(
    url('CONTENT'),
    'select content_raw, parked_reason from g1.content_objects',
  );
  expect(content).toEqual({ content_raw: gzipSync(raw), parked_reason: null });
});

test('killed at any moment and started again, it neither skips nor repeats', async () => {
  for (let i = 0; i < 40; i++) {
    await receive(`mail ${i}`);
    if (i % 20 === 10) {
      projector.kill('SIGKILL');
      await projector.exited;
      projector = await startProjector();
    }
  }
  await eventually(async () => {
    expect(await countOf('OLTP', 'inbox_message_refs')).toBe(41);
    expect(await countOf('CONTENT', 'content_objects')).toBe(41);
  }, 20_000);
  const [row] = await queryAsSuperuser<{ n: number }>(
    url('OLAP'),
    'select messages_received as n from g1.daily_analytics',
  );
  expect(row?.n).toBe(41);
});

test('a replayed generation equals the live one, serves after a switch, and can be switched back', async () => {
  const created = await createGeneration(controlPool, databases(), 'oltp', ofThreeLanes);
  const writer = createPool(url('OLTP'), { ...bounds, role: 'mailfold_projector' });
  try {
    const outcome = await replay({
      ...{ store, tier: oltpTier, parser: null, pool: writer, schema: soleTargetOf(created).schema },
      until: (await store.head()) ?? 0n,
      signal: new AbortController().signal,
    });
    expect(outcome).toMatchObject({ isComplete: true, parkedEvents: 0 });
    expect(await standOf(soleTargetOf(created).schema)).toEqual(await standOf('g1'));

    await startTailing(controlPool, 'oltp', created.generation);
    const { epoch } = await readPlacement(controlPool, 'oltp');
    const moves = [{ slots: allSlots, to: created.generation }];
    const after = await switchPointers(controlPool, 'oltp', { epoch, moves });
    await expect(switchPointers(controlPool, 'oltp', { epoch, moves })).rejects.toThrow(SwitchRefused);

    await receive('after the switch');
    await eventually(async () => {
      expect(await countOf('OLTP', 'inbox_message_refs', soleTargetOf(created).schema)).toBe(42);
      expect(await countOf('OLTP', 'inbox_message_refs')).toBe(42);
    });
    await switchPointers(controlPool, 'oltp', {
      epoch: after.epoch,
      moves: wayBack(after, created.generation),
    });
    await retireGeneration(controlPool, databases(), 'oltp', created.generation);
    await expect(retireGeneration(controlPool, databases(), 'oltp', 1)).rejects.toThrow(SwitchRefused);
  } finally {
    await writer.end();
  }
});

test('health tells how far each generation has come', async () => {
  await eventually(async () => {
    const answer = await fetch(`http://127.0.0.1:${projector.port}/healthz`);
    const body = (await answer.json()) as { generations: { tier: string; lagSeconds: number }[] };
    expect(answer.status).toBe(200);
    expect(body.generations.map(({ tier, lagSeconds }) => [tier, lagSeconds]).sort()).toEqual([
      ['content', 0],
      ['olap', 0],
      ['oltp', 0],
    ]);
  });
  expect(projectionTier('oltp')).toBe(oltpTier);
});

/** What a schema holds, and how far each of its lanes has come. */
async function standOf(schema: string): Promise<{ positions: string[]; tables: TableDigest[] }> {
  const lanes = await queryAsSuperuser<{ position: string }>(
    url('OLTP'),
    `select distinct commit_position::text as position from ${schema}.checkpoints`,
  );
  const tables = await tableDigests({ url: url('OLTP'), schema });
  return { positions: lanes.map(({ position }) => position), tables };
}

/** Fills a new generation, breaking off after each of these numbers of events, and expects the rows that are served. */
async function expectReplayEqualsLive(breaksAfter: readonly number[]): Promise<void> {
  const created = await createGeneration(controlPool, databases(), 'oltp', ofThreeLanes);
  const writer = createPool(url('OLTP'), { ...bounds, role: 'mailfold_projector' });
  try {
    const until = (await store.head()) ?? 0n;
    for (const breakAfter of [...breaksAfter, Infinity]) {
      const stop = new AbortController();
      const outcome = await replay({
        ...{ store, tier: oltpTier, parser: null, pool: writer, schema: soleTargetOf(created).schema, until },
        signal: stop.signal,
        onProgress: ({ events }) => void (events === breakAfter && stop.abort()),
      });
      expect(outcome).toMatchObject({ isComplete: breakAfter === Infinity, parkedEvents: 0 });
    }
    await eventually(async () =>
      expect(await standOf(soleTargetOf(created).schema)).toEqual(await standOf('g1')),
    );
  } finally {
    await writer.end();
    await retireGeneration(controlPool, databases(), 'oltp', created.generation);
  }
}

test('a replay that is broken off on its way and goes on later has the rows of one that was not', async () => {
  await expectReplayEqualsLive([10, 1, 20]);
});

test('of two projectors one has the lane of a tier, and the other takes it over when that one is killed', async () => {
  const [first, second] = [projector, await startProjector()];
  const before = await countOf('OLTP', 'inbox_message_refs');
  /** Nobody for the moment in which a lane changes hands. */
  const owners = async (): Promise<string[]> => {
    const rows = await queryAsSuperuser<{ owner: string }>(
      url('OLTP'),
      'select distinct owner from g1.checkpoints where owner is not null',
    );
    return rows.map(({ owner }) => owner.split('/')[1] ?? '');
  };
  await receive('while both run');
  await eventually(async () => expect(await countOf('OLTP', 'inbox_message_refs')).toBe(before + 1));
  const [owner] = await eventually(async () => {
    const found = await owners();
    expect(found).toHaveLength(1);
    return found;
  });
  const [killed, left] = owner === String(first.pid) ? [first, second] : [second, first];
  expect(owner).toBe(String(killed.pid));
  projector = left;
  try {
    killed.kill('SIGKILL');
    for (let i = 0; i < 5; i++) await receive(`after the take-over ${i}`);
    await eventually(async () => expect(await countOf('OLTP', 'inbox_message_refs')).toBe(before + 6));
    await eventually(async () => expect(await countOf('CONTENT', 'content_objects')).toBe(before + 6));
    expect(await owners()).toEqual([String(left.pid)]);
  } finally {
    await killed.stop();
  }
  await expectReplayEqualsLive([]);
});

test('a checkpoint of another log stops its generation for good, and health and log say so', async () => {
  await projector.stop();
  const [checkpoint] = await queryAsSuperuser<{ id: string }>(
    url('OLAP'),
    'select event_id as id from g1.checkpoints',
  );
  const setCheckpoint = (id: string | undefined) =>
    queryAsSuperuser(url('OLAP'), 'update g1.checkpoints set event_id = $1', [id]);
  const health = async (): Promise<unknown> => {
    const answer = await fetch(`http://127.0.0.1:${projector.port}/healthz`);
    return { status: answer.status, ...((await answer.json()) as object) };
  };
  await setCheckpoint(idOf('an event of another log'));
  projector = await startProjector();
  try {
    const stoppedBy = expect.stringContaining(`the checkpoint names ${idOf('an event of another log')}`);
    await eventually(async () =>
      expect(await health()).toMatchObject({
        status: 503,
        generations: expect.arrayContaining([
          expect.objectContaining({ tier: 'olap', stoppedBy }),
          expect.objectContaining({ tier: 'oltp', stoppedBy: null }),
        ]),
      }),
    );
    const before = await countOf('OLTP', 'inbox_message_refs');
    await receive('past the one that stopped');
    await eventually(async () => expect(await countOf('OLTP', 'inbox_message_refs')).toBe(before + 1));
    expect(projector.output().match(/"stopped for good"/g)).toHaveLength(1);
  } finally {
    await projector.stop();
    await setCheckpoint(checkpoint?.id);
    projector = await startProjector();
  }
  await eventually(async () => expect(await health()).toMatchObject({ status: 200 }));
});

test('a rebuild that parks what the live generation has applied is not switched to', async () => {
  const event = jsonEvent({
    type: 'NeverHeardOf',
    data: {},
    metadata: { tenantId, schemaVersion: 1 },
  });
  await node.client().appendToStream(streamName('conversation', tenantId, idOf('odd')), event);
  await eventually(async () => expect(await countOf('OLAP', 'parked_sequences')).toBe(1));
  // As many parked events as before, but others: a count of them would not notice.
  await queryAsSuperuser(url('OLAP'), 'update g1.parked_sequences set event_id = $1, sequence_id = $1', [
    idOf('parked long ago'),
  ]);
  const { exitCode, output } = await runToEnd('apps/mailfold/main.js', {
    args: ['rebuild', 'run', 'olap', '--collect-poison', '--verify', '--cutover'],
    env: { ...urls, EVENTSTORE_URL: eventStoreUrl(), MAILFOLD_ROOT_KEY: rootKey.toString('base64') },
  });
  expect(output).toContain('generation 2 of olap has parked 1 event that what serves has applied');
  expect(exitCode).toBe(1);
  expect(await soleLiveGeneration(controlPool, 'olap')).toMatchObject({ generation: 1 });
});
