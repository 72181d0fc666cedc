import { binaryEvent, NO_STREAM, type EventStoreDBClient } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgres,
} from '../../../apps/shared/embedded/embedded-postgres';
import { connect, nodeMain } from '../../support/event-store-node';
import { queryAsSuperuser } from '../../support/postgres';
import { signalAll, startProcess, type TestProcess } from '../../support/processes';
import { atLeast, atMost, exactly, type Finding, type PressureRun, type PressureScenario } from './scenario';
import { mountSmallDisk, whyNoSmallDisk, type SmallDisk } from './small-disk';

const diskMiB = 320;
const roomMiB = 40;
const eventBytes = 32 * 1024;
const refusals = { quick: 3, full: 20 };
/** The node's own limit of an append is 2 s; what is more goes to the client and the machine. */
const answerMaxMs = 4_000;
const writesAgainMaxMs = 30_000;
const database = 'small';

interface Acknowledged {
  readonly stream: string;
  readonly id: string;
}

/**
 * PostgreSQL runs out of disk under a writer: every append is answered, none of the acknowledged is lost, and once there
 * is room the same node writes again without being touched. PostgreSQL is started again where it gave up, as a
 * supervisor would.
 */
export const diskFull: PressureScenario = {
  name: 'disk full',
  impossible: whyNoSmallDisk,
  run: async (options) => {
    const disk = mountSmallDisk(diskMiB);
    try {
      return await runOn(disk, options);
    } finally {
      disk.unmount();
    }
  },
};

async function runOn(disk: SmallDisk, options: PressureRun): Promise<Finding[]> {
  const postgres = await startEmbeddedPostgres({
    dataDir: disk.directory,
    databases: [database],
    settings: { min_wal_size: '32MB', max_wal_size: '64MB', shared_buffers: '16MB' },
  });
  const kill = (): void => signalAll([postgres.pid], 'SIGQUIT');
  process.once('exit', kill);
  postgres.onExit(() => void restartUntilUp(postgres));
  const databaseUrl = postgres.url(database);
  try {
    const node = await startProcess(nodeMain, {
      env: { EVENT_STORE_NODE_DATABASE_URL: databaseUrl, EVENT_STORE_NODE_PORT: '0' },
    });
    const client = connect(node.port ?? 0);
    try {
      return await run({ disk, node, client, databaseUrl }, options);
    } finally {
      await Promise.race([client.dispose(), delay(2_000)]);
      await node.stop();
    }
  } finally {
    process.off('exit', kill);
    await postgres.stop();
  }
}

interface Parts {
  readonly disk: SmallDisk;
  readonly node: TestProcess;
  readonly client: EventStoreDBClient;
  readonly databaseUrl: string;
}

async function run(
  { disk, node, client, databaseUrl }: Parts,
  { size, tell, signal }: PressureRun,
): Promise<Finding[]> {
  const refusalsWanted = refusals[size];
  const acknowledged: Acknowledged[] = [];
  await append(client, acknowledged);
  await disk.occupy(roomMiB);
  const full = await appendUntilRefused(client, acknowledged, refusalsWanted, signal);
  tell(
    `full after ${acknowledged.length} appends; ${Math.round(disk.freeMiB())} MiB free; refused as: ${full.reasons.join(', ')}`,
  );
  await disk.release();
  const releasedAt = Date.now();
  while (!(await append(client, acknowledged)).acknowledged && Date.now() - releasedAt < 2 * writesAgainMaxMs)
    await delay(100, undefined, { signal });
  const writesAgainMs = Date.now() - releasedAt;
  for (let count = 0; count < 50; count++) await append(client, acknowledged);
  const stored = await storedIds(client);
  return [
    atLeast('appends refused while the disk was full', full.refused, refusalsWanted, 'appends'),
    atMost('slowest answer while the disk was full', full.slowestMs, answerMaxMs, 'ms'),
    atMost('writes again after there is room', writesAgainMs, writesAgainMaxMs, 'ms'),
    exactly('acknowledged events missing', acknowledged.filter(({ id }) => !stored.has(id)).length, 0),
    exactly('events stored twice', [...stored.values()].filter((times) => times > 1).length, 0),
    exactly('indexes of the log found damaged', await damagedIndexes(databaseUrl), 0),
    exactly('nodes that had to be started again', (await hasExited(node)) ? 1 : 0, 0),
  ];
}

async function append(
  client: EventStoreDBClient,
  acknowledged: Acknowledged[],
): Promise<{ acknowledged: boolean; tookMs: number; reason: string }> {
  const stream = `full-${randomUUID()}`;
  const event = binaryEvent({ type: 'Filled', data: Buffer.alloc(eventBytes, acknowledged.length % 256) });
  const startedAt = Date.now();
  let limit: NodeJS.Timeout | undefined;
  const unanswered = new Promise<string>((done) => (limit = setTimeout(done, 3 * answerMaxMs, 'no answer')));
  const reason = await Promise.race([
    unanswered,
    client.appendToStream(stream, event, { expectedRevision: NO_STREAM }).then(
      () => '',
      (error: unknown) => String((error as { type?: string }).type ?? error),
    ),
  ]);
  clearTimeout(limit);
  if (reason === '') acknowledged.push({ stream, id: event.id });
  return { acknowledged: reason === '', tookMs: Date.now() - startedAt, reason };
}

async function appendUntilRefused(
  client: EventStoreDBClient,
  acknowledged: Acknowledged[],
  refusalsWanted: number,
  signal: AbortSignal,
): Promise<{ refused: number; slowestMs: number; reasons: string[] }> {
  const reasons = new Set<string>();
  let refused = 0;
  let slowestMs = 0;
  const attemptsMax = (4 * roomMiB * 1024 ** 2) / eventBytes;
  for (let attempt = 0; attempt < attemptsMax && refused < refusalsWanted; attempt++) {
    signal.throwIfAborted();
    const answer = await append(client, acknowledged);
    slowestMs = Math.max(slowestMs, answer.tookMs);
    if (answer.acknowledged) continue;
    refused += 1;
    reasons.add(answer.reason);
  }
  return { refused, slowestMs, reasons: [...reasons] };
}

async function storedIds(client: EventStoreDBClient): Promise<Map<string, number>> {
  const times = new Map<string, number>();
  for await (const { event } of client.readAll())
    if (event?.type === 'Filled') times.set(event.id, (times.get(event.id) ?? 0) + 1);
  return times;
}

async function damagedIndexes(databaseUrl: string): Promise<number> {
  await queryAsSuperuser(databaseUrl, 'create extension if not exists amcheck');
  const indexes = await queryAsSuperuser<{ name: string }>(
    databaseUrl,
    `select indexrelid::regclass::text as name from pg_index where indrelid = 'appends'::regclass`,
  );
  let damaged = 0;
  for (const { name } of indexes) {
    // Also compares the index with the table: every row must be in it.
    await queryAsSuperuser(databaseUrl, 'select bt_index_check($1::regclass, true)', [name]).catch(
      () => (damaged += 1),
    );
  }
  return damaged;
}

async function restartUntilUp(postgres: EmbeddedPostgres): Promise<void> {
  for (;;) {
    try {
      await postgres.restart();
      return;
    } catch {
      // Still no room to recover in.
      await delay(500);
    }
  }
}

async function hasExited(node: TestProcess): Promise<boolean> {
  return Promise.race([node.exited.then(() => true), delay(10).then(() => false)]);
}
