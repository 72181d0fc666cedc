import { checkLog, type Violation } from '../check-log';
import type { Random } from '../../../apps/dev/sample-log/random';
import { openChaosStore } from './chaos-store';
import { planFaults, type FaultCounts } from './faults';
import { contentType, type Delivery, type LogDump, type Operation } from './history';
import { LogSystem } from './log-system';
import { strikeAll, type NemesisReport, type StruckFault } from './nemesis';
import { readLog } from './read-log';
import { Subscriber } from './subscriber';
import { Writers } from './writers';

const firstAcknowledgementTimeoutMs = 30_000;
const deliveryTimeoutMs = 60_000;

export interface LogRunOptions {
  readonly random: Random;
  readonly counts: FaultCounts;
  /** For the files of the run. */
  readonly folder: string;
  /** Stops the faults; what was written until then is checked all the same. */
  readonly signal: AbortSignal;
  readonly onProgress: (figures: { struck: number; planned: number; events: number }) => void;
  readonly onPhase: (text: string) => void;
}

export interface LogRun {
  readonly operations: readonly Operation[];
  readonly dump: LogDump;
  readonly deliveries: readonly Delivery[];
  readonly struck: readonly StruckFault[];
  readonly violations: readonly Violation[];
  /** Rejections in the writing processes that nobody handled: a process without our policy would have ended by them. */
  readonly strayRejections: number;
  /** Not a broken invariant, and no good run either: a process that ended, a system that did not come back. */
  readonly failure: string | null;
}

/** Eight writers and two live subscribers on the embedded node, while faults strike; then compares what they saw with the log. */
export async function runLog(options: LogRunOptions): Promise<LogRun> {
  const system = await LogSystem.start();
  try {
    const run = await runOn(system, options);
    if (run.failure !== null || run.violations.length > 0) await system.keepOutput(options.folder);
    return run;
  } catch (error) {
    await system.keepOutput(options.folder);
    throw error;
  } finally {
    await system.stop();
  }
}

async function runOn(system: LogSystem, options: LogRunOptions): Promise<LogRun> {
  const { random, folder, onPhase } = options;
  const store = openChaosStore(system.url);
  const subscribers = [
    new Subscriber(store, 'subscriber', true, null),
    new Subscriber(store, 'filtered subscriber', false, random.fork(1)),
  ];
  let writers: Writers | null = null;
  try {
    writers = await Writers.start(system.url, random.fork(2), folder, 'main');
    const { struck, failure } = await strikeUnderLoad(system, writers, subscribers, options);
    const operations = await writers.stop();
    onPhase('reading the log back, after a last SIGKILL of everything');
    // What is read now comes from the disk: neither the node nor PostgreSQL has anything in memory.
    await system.killEverything(0);
    const dump = await readLog(system.url, new Set(operations.map(({ stream }) => stream)));
    const deliveries = await collectDeliveries(subscribers, dump);
    onPhase(`checking ${operations.length} operations against ${dump.all.length} events`);
    const violations = checkLog(operations, dump, deliveries);
    const { strayRejections } = writers;
    return { operations, dump, deliveries, struck, violations, strayRejections, failure };
  } finally {
    writers?.kill();
    await Promise.all(subscribers.map((subscriber) => subscriber.stop()));
    await store.close();
  }
}

async function strikeUnderLoad(
  system: LogSystem,
  writers: Writers,
  [subscriber]: readonly Subscriber[],
  { random, counts, signal, onProgress }: LogRunOptions,
): Promise<NemesisReport> {
  if ((await writers.acknowledgedAgain(firstAcknowledgementTimeoutMs)) === null)
    return { struck: [], failure: 'the writers were not acknowledged even before the first fault' };
  const faults = planFaults(counts, random.fork(3));
  let struckCount = 0;
  const report = (): void =>
    onProgress({ struck: struckCount, planned: faults.length, events: subscriber?.eventCount ?? 0 });
  const reporting = setInterval(report, 500);
  try {
    return await strikeAll(faults, system, writers, signal, (count) => {
      struckCount = count;
      report();
    });
  } finally {
    clearInterval(reporting);
  }
}

/** Waits for each subscriber to come to the end of what it asked for. Who does not get there is found wanting by the check. */
async function collectDeliveries(subscribers: readonly Subscriber[], { all }: LogDump): Promise<Delivery[]> {
  const lastOfAny = all.at(-1)?.position ?? -1;
  const lastWithoutContent = all.findLast(({ type }) => type !== contentType)?.position ?? -1;
  return Promise.all(
    subscribers.map(async (subscriber) => {
      await subscriber.reaches(subscriber.withContent ? lastOfAny : lastWithoutContent, deliveryTimeoutMs);
      return subscriber.stop();
    }),
  );
}
