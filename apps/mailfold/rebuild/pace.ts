import { setTimeout as delay } from 'node:timers/promises';

const stepMs = 50;

/** Bounds of how fast a run may go; each may change while it runs. Events per second; `null`: none. */
export interface PaceBounds {
  readonly operator: number | null;
  readonly governor: number | null;
}

/**
 * Slows a run down from inside: whoever moves events awaits {@link Pace.wait} between two batches. Counts events by what
 * {@link Pace.counted} is told, so that it fits readers that work in parallel.
 */
export class Pace {
  private bounds: PaceBounds = { operator: null, governor: null };
  private isPaused = false;
  private events = 0;
  private readonly now: () => number;
  private readonly outer: () => Promise<void>;
  /** Where the present bound began to hold. */
  private since = { atMs: 0, events: 0 };

  constructor(
    private readonly signal: AbortSignal,
    {
      now = () => performance.now(),
      outer = () => Promise.resolve(),
    }: {
      readonly now?: () => number;
      /** Awaited besides: of the run that this one is a part of. */
      readonly outer?: () => Promise<void>;
    } = {},
  ) {
    this.now = now;
    this.outer = outer;
    this.since = { atMs: this.now(), events: 0 };
  }

  /** The lower of the bounds; null when there is none. */
  get eventsPerSecondMax(): number | null {
    const bounds = [this.bounds.operator, this.bounds.governor].filter((bound) => bound !== null);
    return bounds.length === 0 ? null : Math.min(...bounds);
  }

  counted(events: number): void {
    // Each phase counts anew.
    if (events < this.events) this.since = { atMs: this.now(), events };
    this.events = events;
  }

  bound(change: Partial<PaceBounds>): void {
    const before = this.eventsPerSecondMax;
    this.bounds = { ...this.bounds, ...change };
    if (this.eventsPerSecondMax !== before) this.since = { atMs: this.now(), events: this.events };
  }

  pause(isPaused: boolean): void {
    if (this.isPaused && !isPaused) this.since = { atMs: this.now(), events: this.events };
    this.isPaused = isPaused;
  }

  /** Resolves when the next batch may go, or on abort. */
  async wait(): Promise<void> {
    while (!this.signal.aborted && (this.isPaused || this.isAhead()))
      await delay(stepMs, undefined, { signal: this.signal }).catch(() => undefined);
    await this.outer();
  }

  private isAhead(): boolean {
    const bound = this.eventsPerSecondMax;
    if (bound === null) return false;
    const seconds = (this.now() - this.since.atMs) / 1_000;
    return this.events - this.since.events > bound * seconds;
  }
}
