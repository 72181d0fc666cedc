import { setTimeout as delay } from 'node:timers/promises';

const probeIntervalMs = 100;
const samplesMax = 50;
const samplesMin = 10;
const eventsPerSecondMin = 100;
const slowDown = 0.5;
const speedUp = 1.1;
const unusedFactor = 4;
/** Above this share of the bound it does not speed up again, or it would swing. */
const easyShare = 0.8;

export interface GovernorOptions {
  /** Slows the run down when reads take longer than this, as 95 of 100 see it, ms. */
  readonly p95MaxMs: number;
  /** A read as users do it; resolves when it is answered. What it throws counts as the slowest read there is. */
  readonly probe: () => Promise<void>;
  /** Present rate of the run, events per second. */
  readonly rate: () => number;
  /** Told of every change of its bound; null: none. */
  readonly onBound: (bound: { eventsPerSecondMax: number | null; p95Ms: number }) => void;
  readonly signal: AbortSignal;
}

/**
 * Keeps reads fast while a run works: halves its rate when their p95 goes beyond the bound, and gives a tenth back at a time
 * while they are well below it. Works until aborted.
 */
export async function govern({ p95MaxMs, probe, rate, onBound, signal }: GovernorOptions): Promise<void> {
  let bound: number | null = null;
  let samples: number[] = [];
  while (!signal.aborted) {
    samples.push(await timed(probe));
    if (samples.length >= samplesMin) {
      const p95Ms = percentile95(samples);
      const next = nextBound({ bound, p95Ms, p95MaxMs, rate: rate() });
      if (next !== bound) {
        bound = next;
        onBound({ eventsPerSecondMax: bound, p95Ms });
        // The new rate is judged by reads of its own time.
        samples = [];
      }
    }
    samples = samples.slice(-samplesMax);
    await delay(probeIntervalMs, undefined, { signal }).catch(() => undefined);
  }
}

/** Pure, for the tests: the bound that follows from what was measured. */
export function nextBound(measured: {
  readonly bound: number | null;
  readonly p95Ms: number;
  readonly p95MaxMs: number;
  readonly rate: number;
}): number | null {
  const { bound, p95Ms, p95MaxMs, rate } = measured;
  if (p95Ms > p95MaxMs)
    return Math.max(eventsPerSecondMin, Math.floor(slowDown * Math.min(bound ?? Infinity, rate)));
  if (bound === null || p95Ms > easyShare * p95MaxMs) return bound;
  const raised = Math.ceil(bound * speedUp);
  // Something else keeps the run slower than this: it needs no bound of ours.
  return raised > unusedFactor * rate ? null : raised;
}

export function percentile95(samples: readonly number[]): number {
  const sorted = [...samples].sort((one, other) => one - other);
  return sorted[Math.ceil(sorted.length * 0.95) - 1] ?? 0;
}

async function timed(probe: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  try {
    await probe();
    return performance.now() - startedAt;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
