import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeDataDirectory } from '../shared/embedded/directories';
import { DemoClient } from './demo-client';
import { expectEqual } from './demo-expectation';
import { fillFromNothing } from './demo-first-fill';
import { conversationPage } from './demo-mail-steps';
import { readContinuously, type ReadsSeen } from './demo-reader';
import { openSample, type OpenSample } from './demo-rebuild-sample';
import { rebuildSteps, type RebuildSteps } from './demo-rebuild-steps';
import { figure, isAlive, step, type Stage } from './demo-step';
import { writeContinuously, type WritesDone } from './live-writes';
import { startShardedSystem, type ShardedSystem } from './sharded-system';

const seed = 20_260_101;
/** As long as a busy team leaves between two looks; without it, readers would take the machine from what they watch. */
const readPauseMs = 50;
const eventsWrittenPerSecond = 40;
/** Many times what it takes; what hangs must not do so for ever. */
const durationMaxMs = 60 * 60_000;
/** Tenants whose screens are read meanwhile. */
const tenantsRead = 4;

/**
 * A tier that serves is spread over four shards in two databases, while others read and write: re-partition, proof, canary,
 * way back, and again; on a system of its own that leaves nothing behind. Prints a line per step.
 * Throws UnexpectedAnswer at the first thing that is not as it must be, the signal's reason when stopped, and after an hour
 * whatever it does.
 */
export async function runRebuildDemo(
  write: Stage['write'],
  stop: AbortSignal,
  { events }: { readonly events: number },
): Promise<void> {
  const startedAt = Date.now();
  const limit = AbortSignal.timeout(durationMaxMs);
  const signal = AbortSignal.any([stop, limit]);
  const dataDir = mkdtempSync(join(tmpdir(), 'mailfold-demo-'));
  let ran: Ran;
  try {
    ran = await runIn(dataDir, events, { write, signal });
  } catch (error) {
    // What fails once the demo was stopped fails because of that.
    if (stop.aborted) throw stop.reason;
    if (!limit.aborted) throw error;
    throw new Error(`The demo did not end within ${durationMaxMs / 60_000} minutes.`, { cause: error });
  } finally {
    await removeDataDirectory(dataDir);
  }
  stop.throwIfAborted();
  await step(write, 'Stop', async () => {
    expectEqual('the processes left', ran.pids.filter(isAlive), []);
    expectEqual('the data folder', existsSync(dataDir), false);
    return { result: undefined, told: 'no process and no file is left' };
  });
  const { reads, writes } = ran.traffic;
  write(
    `Demo done in ${((Date.now() - startedAt) / 1_000).toFixed(1)} s: ${figure(reads.reads)} reads, 0 errors, ` +
      `slowest ${Math.round(reads.slowestMs)} ms, no position went back; ${figure(writes.events)} events written meanwhile, ` +
      `0 errors, slowest ${Math.round(writes.slowestMs)} ms.`,
  );
}

interface Ran {
  readonly traffic: Traffic;
  /** Of all that ran for it. */
  readonly pids: readonly number[];
}

/** Nothing of the system runs afterwards. */
async function runIn(dataDir: string, events: number, stage: Stage): Promise<Ran> {
  const { write, signal } = stage;
  const title = 'Start a whole Mailfold, but for the projector, with two databases for the OLTP tier';
  const system = await step(write, title, async () => {
    const options = { dataDir, oltpDatabases: ['B'], withoutProjector: true, signal };
    const started = await startShardedSystem(options);
    return { result: started, told: `${Object.keys(started.pids()).length} processes` };
  });
  try {
    const traffic = await tell(system, events, stage);
    return { traffic, pids: Object.values(system.pids()) };
  } finally {
    await system.stop();
  }
}

interface Traffic {
  readonly reads: ReadsSeen;
  readonly writes: WritesDone;
}

async function tell(system: ShardedSystem, events: number, stage: Stage): Promise<Traffic> {
  const { write } = stage;
  const sample = openSample(system, { seed, events });
  try {
    await fillFromNothing(system, sample, events, stage);
    write(
      `  From here on ${tenantsRead} teams read their inboxes all the time, and ${eventsWrittenPerSecond} events/s come in.`,
    );
    return await underTraffic(system, sample, (steps) => repartition(steps, write), stage);
  } finally {
    await sample.close();
  }
}

/** While teams read their screens and mail comes in; and afterwards each screen shows what it showed, and what has come. */
async function underTraffic(
  system: ShardedSystem,
  { store, log }: OpenSample,
  work: (steps: RebuildSteps) => Promise<void>,
  stage: Stage,
): Promise<Traffic> {
  const clients = log.tenants.slice(0, tenantsRead).map(({ apiKey }) => new DemoClient(system.urls, apiKey));
  const readers = clients.map((client) =>
    readContinuously(client, ['/v1/conversations?limit=50'], { pauseMs: readPauseMs }),
  );
  const writer = writeContinuously(store, log.acts, { eventsPerSecond: eventsWrittenPerSecond });
  const reads: ReadsSeen[] = [];
  let writes: WritesDone | undefined;
  try {
    await work(rebuildSteps(system, stage));
  } finally {
    writes = await writer.stop();
    for (const reader of readers) reads.push(await reader.stop());
  }
  const head = String(await store.head());
  for (const client of clients) {
    client.seen(head);
    const { items } = (await client.read('/v1/conversations?limit=50', conversationPage)).body;
    expectEqual('a page of the inbox after all that', items.length > 0, true);
  }
  const seen = {
    reads: reads.reduce((sum, each) => sum + each.reads, 0),
    slowestMs: Math.max(...reads.map(({ slowestMs }) => slowestMs)),
    faults: reads.flatMap(({ faults }) => faults),
  };
  expectEqual(
    'the faults that readers met',
    seen.faults.map(({ text }) => text),
    [],
  );
  return { reads: seen, writes };
}

async function repartition(steps: RebuildSteps, write: Stage['write']): Promise<void> {
  const run = await step(write, 'Spread the OLTP tier over four shards in two databases', () => steps.fill());
  await step(write, 'Prove that they hold what serves', () => steps.verify(run));
  await step(write, 'Cut over: one slot, eight, all', () => steps.cutOver(run));
  await step(write, 'Roll back, at the console', () => steps.rollBackByConsole(run));
  await step(write, 'Prove it again, as it must be after a rollback', () => steps.verify(run));
  await step(write, 'Cut over again, all at once', () => steps.cutOverByConsole(run));
}
