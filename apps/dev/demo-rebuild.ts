import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeDataDirectory } from '../shared/embedded/directories';
import { DemoClient } from './demo-client';
import { expectEqual } from './demo-expectation';
import { readContinuously, type ReadsSeen } from './demo-reader';
import { rebuildSteps, type RebuildSteps } from './demo-rebuild-steps';
import { conversationPage } from './demo-mail-steps';
import { isAlive, step } from './demo-step';
import { writeContinuously, type WritesDone } from './live-writes';
import { appendSampleLog } from './sample-log/append-sample-log';
import { openSample, type OpenSample } from './demo-rebuild-sample';
import { startShardedSystem, type ShardedSystem } from './sharded-system';

const seed = 20_260_101;
const readPauseMs = 20;
const eventsWrittenPerSecond = 40;
/** Many times what it takes; what hangs must not do so for ever. */
const durationMaxMs = 60 * 60_000;
/** Tenants whose screens are read meanwhile. */
const tenantsRead = 4;

type Write = (line: string) => void;

/**
 * A tier that serves is spread over four shards in two databases, while others read and write: re-partition, proof, canary,
 * way back, and again; on a system of its own that leaves nothing behind. Prints a line per step.
 * Throws UnexpectedAnswer at the first thing that is not as it must be, and after an hour whatever it does.
 */
export async function runRebuildDemo(
  write: Write,
  stop: AbortSignal,
  { events }: { readonly events: number },
): Promise<void> {
  const startedAt = Date.now();
  const limit = AbortSignal.timeout(durationMaxMs);
  const signal = AbortSignal.any([stop, limit]);
  const dataDir = mkdtempSync(join(tmpdir(), 'mailfold-demo-'));
  let pids: number[] = [];
  let seen: Traffic | undefined;
  try {
    const system = await step(write, 'Start everything, with a second database for the tier', async () => {
      const started = await startShardedSystem({ dataDir, oltpDatabases: ['B'], signal });
      pids = Object.values(started.pids());
      return { result: started, told: `${pids.length} processes` };
    });
    try {
      seen = await tell(system, write, { events, signal });
    } catch (error) {
      if (!limit.aborted) throw error;
      throw new Error(`The demo did not end within ${durationMaxMs / 60_000} minutes.`, { cause: error });
    } finally {
      await system.stop();
    }
  } finally {
    await removeDataDirectory(dataDir);
  }
  await step(write, 'Stop', async () => {
    expectEqual('the processes left', pids.filter(isAlive), []);
    expectEqual('the data folder', existsSync(dataDir), false);
    return { result: undefined, told: 'no process and no file is left' };
  });
  const { reads, writes } = seen;
  write(
    `Demo done in ${((Date.now() - startedAt) / 1_000).toFixed(1)} s: ${figure(reads.reads)} reads, 0 errors, ` +
      `slowest ${Math.round(reads.slowestMs)} ms, positions never back; ${figure(writes.events)} events written meanwhile, ` +
      `slowest ${Math.round(writes.slowestMs)} ms.`,
  );
}

interface Traffic {
  readonly reads: ReadsSeen;
  readonly writes: WritesDone;
}

async function tell(
  system: ShardedSystem,
  write: Write,
  { events, signal }: { events: number; signal: AbortSignal },
): Promise<Traffic> {
  const sample = openSample(system, { seed, events });
  try {
    await step(write, `Write a log of ${figure(events)} events`, async () => {
      const onProgress = everyFewSeconds((written) => write(`  ${figure(written)} events …`));
      const { store, log } = sample;
      const appended = await appendSampleLog(store, log.acts, { signal, eventsMin: events, onProgress });
      signal.throwIfAborted();
      return { result: appended, told: `${figure(log.tenants.length)} tenants` };
    });
    await step(write, 'Let the tier come to its end', async () => {
      const onProgress = everyFewSeconds((behind) => write(`  ${figure(behind)} positions behind …`));
      await sample.untilShown(onProgress, signal);
      return { result: undefined, told: 'generation 1 serves, in one database' };
    });
    return await underTraffic(system, sample, (steps) => repartition(steps, write), { write, signal });
  } finally {
    await sample.close();
  }
}

/** While teams read their screens and mail comes in; and afterwards each screen shows what it showed, and what has come. */
async function underTraffic(
  system: ShardedSystem,
  { store, log }: OpenSample,
  work: (steps: RebuildSteps) => Promise<void>,
  { write, signal }: { write: Write; signal: AbortSignal },
): Promise<Traffic> {
  const clients = log.tenants.slice(0, tenantsRead).map(({ apiKey }) => new DemoClient(system.urls, apiKey));
  const readers = clients.map((client) =>
    readContinuously(client, ['/v1/conversations?limit=50'], { pauseMs: readPauseMs }),
  );
  const writer = writeContinuously(store, log.acts, { eventsPerSecond: eventsWrittenPerSecond });
  const reads: ReadsSeen[] = [];
  let writes: WritesDone | undefined;
  try {
    await work(rebuildSteps(system, write, signal));
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

async function repartition(steps: RebuildSteps, write: Write): Promise<void> {
  const run = await step(write, 'Fill four shards in two databases from the log', () => steps.fill());
  await step(write, 'Prove that they hold what serves', () => steps.verify(run));
  await step(write, 'Cut over: one slot, eight, all', () => steps.cutOver(run));
  await step(write, 'Take it back', () => steps.rollBack(run));
  await step(write, 'Prove it once more, for the certificate is of before', () => steps.verify(run));
  await step(write, 'Cut over again', () => steps.cutOver(run));
}

function figure(count: number): string {
  return count.toLocaleString('en-US');
}

function everyFewSeconds(tellFigure: (value: number) => void): (value: number) => void {
  const intervalMs = 5_000;
  let lastAt = Date.now();
  return (value) => {
    if (Date.now() - lastAt < intervalMs) return;
    lastAt = Date.now();
    tellFigure(value);
  };
}
