import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { EventStore } from '../shared/event-store/event-store';
import { LogLedger } from '../shared/log-ledger/log-ledger';
import { createPool } from '../shared/postgres/pool';
import { runMailfold } from './demo-cli';
import { expectEqual } from './demo-expectation';
import { progressLines } from './demo-progress';
import type { OpenSample } from './demo-rebuild-sample';
import { figure, indented, step, type Stage } from './demo-step';
import { appendSampleLog } from './sample-log/append-sample-log';
import type { ShardedSystem } from './sharded-system';

const timeouts = { statementTimeoutMs: 10_000, queryTimeoutMs: 12_000, connectionTimeoutMs: 10_000 };
const ledgerPollMs = 200;
/** For a ledger that does not move at all. */
const standstillMaxMs = 60_000;

/**
 * Writes a log while no projector runs, and fills the first read models from it by a rebuild of all tiers, which takes a
 * fraction of what the lanes would need; from then on the projector keeps them at its end.
 */
export async function fillFromNothing(
  system: ShardedSystem,
  sample: OpenSample,
  events: number,
  { write, signal }: Stage,
): Promise<void> {
  const { store, log } = sample;
  const { events: written } = await step(write, `Write a log of ${figure(events)} events`, async () => {
    const onProgress = progressLines(write, { total: events, noun: 'events' });
    const startedAt = performance.now();
    const appended = await appendSampleLog(store, log.acts, { signal, eventsMin: events, onProgress });
    signal.throwIfAborted();
    const rate = perSecond(appended.events, performance.now() - startedAt);
    const told = `${figure(appended.events)} events of ${log.tenants.length} tenants through the event store's client, ${rate}`;
    return { result: appended, told };
  });
  await step(write, 'Fill the read models from it, by a rebuild of every tier', async () => {
    const { seconds, tiers } = await rebuildAll(system, { write, signal });
    const rate = perSecond(written, 1_000 * seconds);
    return { result: undefined, told: `${tiers.join(', ')}: generation 2 serves, ${rate}` };
  });
  await step(write, 'Start the projector, which goes on from there', async () => {
    await system.startProjector();
    await sample.untilShown(() => undefined, signal);
    await untilCounted(
      system,
      store,
      progressLines(write, { total: written, noun: 'events counted' }),
      signal,
    );
    return {
      result: undefined,
      told: 'all read models are at the end of the log, and its ledger counts every event',
    };
  });
}

const filled = z.object({
  state: z.string(),
  tiers: z.array(z.string()),
  progress: z.object({ took: z.array(z.object({ seconds: z.number() })) }),
});

/** There is nothing to prove it against: what "serves" is the empty generation that every tier begins with. */
async function rebuildAll(
  { environment }: ShardedSystem,
  { write, signal }: Stage,
): Promise<{ seconds: number; tiers: readonly string[] }> {
  const forced = ['--cutover', '--force', '--reason', 'what serves is empty: no projector has run yet'];
  const args = ['rebuild', 'run', '--all', ...forced, '--retire'];
  const records = await runMailfold(args, environment, signal, indented(write));
  const { state, tiers, progress } = filled.parse(records.at(-1));
  expectEqual('the run after mailfold rebuild run --all', state, 'done');
  return { seconds: progress.took.reduce((sum, { seconds }) => sum + seconds, 0), tiers };
}

/** A proof needs the count of the log that the projector keeps; `onCounted` hears how far that is. */
async function untilCounted(
  { environment }: ShardedSystem,
  store: EventStore,
  onCounted: (events: number) => void,
  signal: AbortSignal,
): Promise<void> {
  const { CONTROL_DATABASE_URL: url = '' } = environment;
  const pool = createPool(url, { applicationName: 'mailfold-demo', maxConnections: 1, ...timeouts });
  try {
    const ledger = new LogLedger(pool, store);
    const head = (await store.head()) ?? 0n;
    let [counted, movedAt] = [0, Date.now()];
    for (;;) {
      const { position = 0n, ordinal = 0 } = (await ledger.head()) ?? {};
      if (position >= head) return;
      if (ordinal > counted) [counted, movedAt] = [ordinal, Date.now()];
      if (Date.now() - movedAt > standstillMaxMs)
        throw new Error(`the log ledger stands still at ${position}, and the log ends at ${head}`);
      onCounted(ordinal);
      await delay(ledgerPollMs, undefined, { signal });
    }
  } finally {
    await pool.end();
  }
}

function perSecond(events: number, ms: number): string {
  return `${figure(Math.round((1_000 * events) / ms))} events/s`;
}
