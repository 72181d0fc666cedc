import { BACKWARDS, binaryEvent, END, NO_STREAM, type EventStoreDBClient } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { connect, nodeMain, type TestNode } from '../../support/event-store-node';
import { queryAsSuperuser } from '../../support/postgres';
import { startProcess } from '../../support/processes';
import { residentMiB } from './process-memory';
import { atLeast, atMost, exactly, type Finding, type PressureRun, nodeScenario } from './scenario';

const logMiB = { quick: 48, full: 1_024 };
const eventBytes = 16 * 1024;
const eventsPerAppend = 60;
const readyMaxMs = 5_000;
const memoryMaxMiB = 300;

/** A log of 1 GiB: the node must not need to read it to be ready, after a stop as after a kill. */
export const largeLog = nodeScenario('large log', run);

async function run(node: TestNode, options: PressureRun): Promise<Finding[]> {
  const { size, tell, signal } = options;
  const last = await fill(node.client(), logMiB[size], options);
  const bytes = await storedBytes(node);
  tell(`${Math.round(bytes / 1024 ** 2)} MiB stored`);
  node.process().kill('SIGKILL');
  await node.process().exited;
  const afterKill = await restart(node.databaseUrl);
  const afterStop = await restart(node.databaseUrl);
  signal.throwIfAborted();
  const afterCrash = await restartAll(node, options);
  return [
    atLeast('size of the log', bytes / 1024 ** 2, logMiB[size], 'MiB'),
    atMost('ready again after SIGKILL', afterKill.readyMs, readyMaxMs, 'ms'),
    atMost('ready again after SIGTERM', afterStop.readyMs, readyMaxMs, 'ms'),
    atMost('ready again once PostgreSQL has recovered from SIGKILL', afterCrash.readyMs, readyMaxMs, 'ms'),
    atMost("the node's memory then", afterStop.memoryMiB, memoryMaxMiB, 'MiB'),
    exactly(
      'starts that show the last event appended',
      [afterKill, afterStop, afterCrash].filter(({ headId }) => headId === last).length,
      3,
    ),
  ];
}

/** Appends until the log holds `wantedMiB` of event data. Resolves to the id of its last event. */
async function fill(
  client: EventStoreDBClient,
  wantedMiB: number,
  { tell, signal }: PressureRun,
): Promise<string> {
  const appends = Math.ceil((wantedMiB * 1024 ** 2) / (eventBytes * eventsPerAppend));
  let lastId = '';
  for (let done = 0; done < appends; done++) {
    signal.throwIfAborted();
    const events = Array.from({ length: eventsPerAppend }, () =>
      binaryEvent({ type: 'Large', data: Buffer.alloc(eventBytes, done % 256) }),
    );
    await client.appendToStream(`large-${randomUUID()}`, events, { expectedRevision: NO_STREAM });
    lastId = events.at(-1)?.id ?? '';
    if ((done + 1) % 200 === 0) tell(`${done + 1} of ${appends} appends`);
  }
  return lastId;
}

async function storedBytes({ databaseUrl }: TestNode): Promise<number> {
  const rows = await queryAsSuperuser<{ bytes: string }>(
    databaseUrl,
    'select pg_database_size(current_database()) as bytes',
  );
  return Number(rows[0]?.bytes);
}

interface Restarted {
  readonly readyMs: number;
  readonly memoryMiB: number;
  readonly headId: string | undefined;
}

/** Starts a node, waits until it has answered a read of its head, and stops it by SIGTERM. */
async function restart(databaseUrl: string): Promise<Restarted> {
  const startedAt = Date.now();
  const running = await startProcess(nodeMain, {
    env: { EVENT_STORE_NODE_DATABASE_URL: databaseUrl, EVENT_STORE_NODE_PORT: '0' },
  });
  const client = connect(running.port ?? 0);
  try {
    const headId = await readHeadId(client);
    const readyMs = Date.now() - startedAt;
    return { readyMs, memoryMiB: await residentMiB(running.pid), headId };
  } finally {
    await client.dispose();
    await running.stop();
  }
}

/** Reckoned from when PostgreSQL has replayed its own log, whose length is a setting of its own (reliability.md A2, targets). */
async function restartAll(
  { postgres: { server }, databaseUrl }: TestNode,
  { tell }: PressureRun,
): Promise<Restarted> {
  const startedAt = Date.now();
  process.kill(server.pid, 'SIGKILL');
  await server.restart();
  tell(`PostgreSQL recovered in ${Date.now() - startedAt} ms`);
  return restart(databaseUrl);
}

async function readHeadId(client: EventStoreDBClient): Promise<string | undefined> {
  let id: string | undefined;
  // To its end: a client whose read was broken off may never say that it is disposed.
  const head = client.readAll({ direction: BACKWARDS, fromPosition: END, maxCount: 1 });
  for await (const { event } of head) id = event?.id;
  return id;
}
