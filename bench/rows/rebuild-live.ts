import { p99SamplesMin } from '../harness/gates';
import { closedLoop, openLoop } from '../harness/pace';
import type { Row, RowContext, Side } from '../harness/row';
import { openLiveBed, type LiveBed } from '../parts/live-bed';

const eventsByDefault = { full: 50_000, quick: 3_000 } as const;
const inFlightAtMost = 32;
/** A few more than a p99 stands on. */
const samplesWanted = 1.1 * p99SamplesMin;

export const rebuildLiveRow: Row = {
  name: 'rebuild-live',
  ours: 'p99 from an append until the query API shows it, at half of what the system can take, while a tier is rebuilt',
  over: 'the same without a rebuild',
  unit: 'ms',
  target: { atMost: 3 },
  open: async (context) => {
    const byDefault = context.quick ? eventsByDefault.quick : eventsByDefault.full;
    const bed = await openLiveBed(context, context.events ?? byDefault);
    const window = { warmUpMs: 2_000, durationMs: 4_000 };
    const { perSecond } = await closedLoop(inFlightAtMost, window, () => bed.writeAndSee().then(() => 1));
    context.notice(`it takes ${perSecond.toFixed(0)} writes/s; half of that from here on`);
    return [
      {
        sides: [
          liveSide(context, bed, perSecond / 2, 'while a tier is rebuilt'),
          liveSide(context, bed, perSecond / 2, 'quiet'),
        ],
      },
    ];
  },
};

function liveSide(context: RowContext, bed: LiveBed, perSecond: number, name: string): Side {
  const isQuiet = name === 'quiet';
  let rebuilds = 0;
  return {
    name,
    prepare: async () => {
      rebuilds = 0;
    },
    run: async ({ warmUpMs, durationMs }) => {
      const stop = new AbortController();
      const signal = AbortSignal.any([stop.signal, context.signal]);
      const rebuilding = isQuiet ? Promise.resolve() : rebuildUntil(bed, signal, () => (rebuilds += 1));
      // Looked at below, once the last answer is there.
      rebuilding.catch(() => undefined);
      const window = { warmUpMs, durationMs: Math.max(durationMs, (1_000 * samplesWanted) / perSecond) };
      const measuring = openLoop(perSecond, window, async () => void (await bed.writeAndSee()));
      const { latencies, total } = await measuring.finally(() => stop.abort());
      await rebuilding;
      return { value: latencies.p99Ms, latencies, eventCount: total };
    },
    check: async () => (isQuiet || rebuilds > 0 ? [] : ['no rebuild was under way']),
    close: async () => undefined,
    processes: () => bed.processes,
  };
}

/** One after the other; the last one is given up where it stands, and gone on with in the next round. */
async function rebuildUntil(bed: LiveBed, signal: AbortSignal, onBegun: () => void): Promise<void> {
  while (!signal.aborted) {
    onBegun();
    await bed.rebuildOnce(signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }
}
