import { NO_STREAM, type EventStoreDBClient } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { testEvent, type TestNode } from '../../support/event-store-node';
import { peakMiB } from './process-memory';
import { atMost, exactly, type Finding, type PressureRun, nodeScenario } from './scenario';

const inFlight = 10_000;
/** Long enough that only the node's own write timeout can end an append. */
const deadlineMs = 60_000;
const memoryMaxMiB = 400;
/** What a supervisor grants before it kills, as a rule; nobody waits that long for an append. */
const stopMaxMs = 10_000;

interface Outcome {
  readonly stream: string;
  readonly id: string;
  readonly acknowledged: boolean;
}

/** 10,000 appends at once over one call: all answered, all there, none twice; then SIGTERM amidst as many again. */
export const appendsInFlight = nodeScenario('appends in flight', run);

async function run(node: TestNode, { tell, signal }: PressureRun): Promise<Finding[]> {
  const startedAt = Date.now();
  const outcomes = await settleAll(submit(node.client()));
  tell(`${inFlight} appends answered in ${Date.now() - startedAt} ms`);
  signal.throwIfAborted();
  const memoryMiB = await peakMiB(node.process().pid);
  const { exit, tookMs, pending } = await pastTheClientsOwnRejections(() => stopAmidstAppends(node));
  tell(`SIGTERM amidst ${inFlight} appends: ${acknowledged(pending)} were acknowledged before the end`);
  signal.throwIfAborted();
  await node.restart();
  const kept = await countKept(node.client(), [...outcomes, ...pending]);
  return [
    exactly('appends acknowledged', acknowledged(outcomes), inFlight),
    atMost("the node's memory at its highest", memoryMiB, memoryMaxMiB, 'MiB'),
    exactly('exit code after SIGTERM amidst appends', exit ?? -1, 0),
    atMost('until that exit', tookMs, stopMaxMs, 'ms'),
    exactly('of these, appends never answered', inFlight - pending.length, 0),
    exactly('acknowledged appends missing after the restart', kept.missing, 0),
    exactly('stored before the end, yet not acknowledged', kept.unacknowledged, 0),
    exactly('events stored twice', kept.doubled, 0),
  ];
}

/** SIGTERM when a fifth of the appends is acknowledged. */
async function stopAmidstAppends(
  node: TestNode,
): Promise<{ exit: number | null; tookMs: number; pending: Outcome[] }> {
  const appends = submit(node.client());
  await Promise.all(appends.slice(0, inFlight / 5));
  const startedAt = Date.now();
  const exit = await node.process().stop();
  return { exit, tookMs: Date.now() - startedAt, pending: await settleAll(appends) };
}

function submit(client: EventStoreDBClient): Promise<Outcome>[] {
  return Array.from({ length: inFlight }, () => {
    const event = testEvent('InFlight', { text: 'x'.repeat(900) });
    const stream = `flight-${randomUUID()}`;
    return client
      .appendToStream(stream, event, { expectedRevision: NO_STREAM, deadline: deadlineMs })
      .then(() => ({ stream, id: event.id, acknowledged: true }))
      .catch(() => ({ stream, id: event.id, acknowledged: false }));
  });
}

/** What has settled in time: an append that is never answered is left out. */
async function settleAll(appends: readonly Promise<Outcome>[]): Promise<Outcome[]> {
  const settled: Outcome[] = [];
  let limit: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((done) => (limit = setTimeout(done, deadlineMs)));
  await Promise.race([timeout, Promise.all(appends.map(async (append) => settled.push(await append)))]);
  clearTimeout(limit);
  return [...settled];
}

function acknowledged(outcomes: readonly Outcome[]): number {
  return outcomes.filter((outcome) => outcome.acknowledged).length;
}

async function countKept(
  client: EventStoreDBClient,
  outcomes: readonly Outcome[],
): Promise<{ missing: number; unacknowledged: number; doubled: number }> {
  const timesStored = new Map<string, number>();
  for await (const { event } of client.readAll())
    if (event !== undefined) timesStored.set(event.id, (timesStored.get(event.id) ?? 0) + 1);
  return {
    missing: outcomes.filter(({ id, acknowledged }) => acknowledged && !timesStored.has(id)).length,
    unacknowledged: outcomes.filter(({ id, acknowledged }) => !acknowledged && timesStored.has(id)).length,
    doubled: [...timesStored.values()].filter((times) => times > 1).length,
  };
}

/** The client also rejects a promise of its own that nobody can reach (event-store.md §2.3), when its node goes away. */
async function pastTheClientsOwnRejections<T>(work: () => Promise<T>): Promise<T> {
  const ignore = (): void => undefined;
  process.on('unhandledRejection', ignore);
  try {
    return await work();
  } finally {
    process.off('unhandledRejection', ignore);
  }
}
