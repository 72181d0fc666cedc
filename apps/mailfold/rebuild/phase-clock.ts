import type { Estimate } from '../../shared/rebuilding/estimate/estimate';

/** In the order they began. */
export type PhaseSeconds = readonly { readonly phase: string; readonly seconds: number }[];

/** What each phase of a run takes, without pauses. Goes on from what others have put into the run before. */
export class PhaseClock {
  private readonly taken: Map<string, number>;
  private isPaused = false;
  private since: number;

  constructor(
    before: PhaseSeconds,
    private phase: string,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.taken = new Map(before.map(({ phase, seconds }) => [phase, seconds]));
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
    return [...this.taken].map(([phase, taken]) => ({ phase, seconds: Math.round(taken * 1_000) / 1_000 }));
  }

  private tick(): void {
    const now = this.now();
    if (!this.isPaused)
      this.taken.set(this.phase, (this.taken.get(this.phase) ?? 0) + (now - this.since) / 1_000);
    this.since = now;
  }
}

/**
 * Until all phases that were estimated are over: what the present one needs, as it goes (`secondsLeft`) or was planned, and
 * what was planned for those after it. Null for a phase that is in no plan, such as the tail.
 */
export function secondsLeftInAll(
  planned: Estimate['phases'],
  present: { readonly phase: string; readonly secondsLeft: number | null; readonly took: PhaseSeconds },
): number | null {
  const index = planned.findIndex(({ phase }) => phase === present.phase);
  const own = planned[index];
  if (own === undefined) return null;
  const taken = present.took.find(({ phase }) => phase === own.phase)?.seconds ?? 0;
  const left = present.secondsLeft ?? Math.max(0, own.seconds.value - taken);
  return planned.slice(index + 1).reduce((sum, { seconds }) => sum + seconds.value, left);
}
