import type { Estimate } from '../../shared/rebuilding/estimate/estimate';

export type PhaseSeconds = Readonly<Record<string, number>>;

/** What each phase of a run takes, without pauses. Goes on from what others have put into the run before. */
export class PhaseClock {
  private readonly taken: Record<string, number>;
  private isPaused = false;
  private since: number;

  constructor(
    before: PhaseSeconds,
    private phase: string,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.taken = { ...before };
    this.since = now();
  }

  begin(phase: string): void {
    this.tick();
    this.phase = phase;
  }

  pause(isPaused: boolean): void {
    this.tick();
    this.isPaused = isPaused;
  }

  seconds(): PhaseSeconds {
    this.tick();
    return Object.fromEntries(Object.entries(this.taken).map(([phase, taken]) => [phase, +taken.toFixed(3)]));
  }

  private tick(): void {
    const now = this.now();
    if (!this.isPaused) this.taken[this.phase] = (this.taken[this.phase] ?? 0) + (now - this.since) / 1_000;
    this.since = now;
  }
}

/**
 * Until all phases that were estimated are over: what the present one needs, as it goes (`secondsLeft`) or was planned, and
 * what was planned for those after it. Null for a phase that is in no plan, such as the tail.
 */
export function secondsLeftInAll(
  planned: Estimate['phases'],
  present: { readonly phase: string; readonly secondsLeft: number | null; readonly seconds: PhaseSeconds },
): number | null {
  const index = planned.findIndex(({ phase }) => phase === present.phase);
  const own = planned[index];
  if (own === undefined) return null;
  const left = present.secondsLeft ?? Math.max(0, own.seconds.value - (present.seconds[own.phase] ?? 0));
  return planned.slice(index + 1).reduce((sum, { seconds }) => sum + seconds.value, left);
}
