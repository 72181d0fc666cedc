import { setTimeout as delay } from 'node:timers/promises';
import type { LatencySummary } from './row';
import { quantile } from './statistics';

export interface Window {
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export interface ClosedLoopResult {
  /** Done within the measured time. */
  readonly perSecond: number;
  /** Done in all, with warm-up and drain. */
  readonly total: number;
}

/**
 * Keeps `inFlight` operations under way: the next begins when one ends. Measures throughput. Its latencies would flatter,
 * because a stalled system is asked for less; use {@link openLoop} for those.
 * `operation` resolves to how many events it was. Warm-up and measurement each last until `inFlight` operations have ended,
 * however slow the machine. Rejects with the first failure, once all operations have ended.
 */
export async function closedLoop(
  inFlight: number,
  { warmUpMs, durationMs }: Window,
  operation: (worker: number) => Promise<number>,
): Promise<ClosedLoopResult> {
  const warmUp = new Phase(performance.now(), warmUpMs, inFlight);
  let measurement: Phase | undefined;
  let total = 0;
  let failed = false;
  const work = async (worker: number): Promise<void> => {
    while (!failed && measurement?.endedAt === undefined) {
      const count = await operation(worker);
      const now = performance.now();
      total += count;
      if (measurement !== undefined) measurement.add(count, now);
      else if (warmUp.add(count, now)) measurement = new Phase(now, durationMs, inFlight);
    }
  };
  const workers = Array.from({ length: inFlight }, (_, worker) =>
    work(worker).catch((error: unknown) => {
      failed = true;
      throw error;
    }),
  );
  const failure = (await Promise.allSettled(workers)).find(({ status }) => status === 'rejected');
  if (failure?.status === 'rejected') throw failure.reason;
  return { perSecond: measurement?.perSecond() ?? 0, total };
}

/** From one end of an operation to another, so that nothing half done is counted at either edge. */
class Phase {
  endedAt: number | undefined;
  private events = 0;
  private operations = 0;

  constructor(
    private readonly startedAt: number,
    private readonly durationMs: number,
    private readonly operationsMin: number,
  ) {}

  /** True when the phase ends with this one. */
  add(eventCount: number, now: number): boolean {
    if (this.endedAt !== undefined) return false;
    this.events += eventCount;
    this.operations += 1;
    if (now < this.startedAt + this.durationMs || this.operations < this.operationsMin) return false;
    this.endedAt = now;
    return true;
  }

  perSecond(): number {
    return this.endedAt === undefined ? 0 : (this.events * 1_000) / (this.endedAt - this.startedAt);
  }
}

export interface OpenLoopResult {
  readonly latencies: LatencySummary;
  readonly total: number;
}

/**
 * Begins an operation every `1 / perSecond` seconds, whether or not earlier ones have ended, and counts latency from when it
 * should have begun: a stall is felt by all who would have come meanwhile. Rejects with the first failure, after the last end.
 */
export async function openLoop(
  perSecond: number,
  { warmUpMs, durationMs }: Window,
  operation: (index: number) => Promise<void>,
): Promise<OpenLoopResult> {
  const startedAt = performance.now();
  const total = Math.floor(((warmUpMs + durationMs) * perSecond) / 1_000);
  const latenciesMs: number[] = [];
  const underWay: Promise<void>[] = [];
  for (let index = 0; index < total; index++) {
    const dueAt = startedAt + (index * 1_000) / perSecond;
    const waitMs = dueAt - performance.now();
    // Timers have whole milliseconds; what is due within one begins at once.
    if (waitMs >= 1) await delay(waitMs);
    const ended = operation(index).then(() => {
      if (dueAt >= startedAt + warmUpMs) latenciesMs.push(performance.now() - dueAt);
    });
    // Looked at below; until then nobody waits for it, and Node would end the process.
    ended.catch(() => undefined);
    underWay.push(ended);
  }
  const failure = (await Promise.allSettled(underWay)).find(({ status }) => status === 'rejected');
  if (failure?.status === 'rejected') throw failure.reason;
  return {
    total,
    latencies: {
      samples: latenciesMs.length,
      p50Ms: quantile(latenciesMs, 0.5),
      p99Ms: quantile(latenciesMs, 0.99),
    },
  };
}
