import type { BulkLoadOptions, LoadProgress } from './contracts';

const intervalMs = 100;

/** Tells of the phase under way, not more often than anybody can look. */
export class ProgressReport {
  private current: LoadProgress = {
    phase: 'prepare',
    ...{ done: 0, total: 0, what: 'events', events: 0, bytes: 0 },
  };
  private toldAt = 0;

  constructor(private readonly tell: BulkLoadOptions['onProgress']) {}

  begin(phase: LoadProgress['phase'], what: LoadProgress['what'], total: number, done = 0): void {
    this.current = { phase, what, done, total, events: what === 'events' ? done : 0, bytes: 0 };
    this.show();
  }

  add({ done = 0, events = 0, bytes = 0 }: { done?: number; events?: number; bytes?: number }): void {
    const { current } = this;
    this.current = {
      ...current,
      done: current.done + done,
      events: current.events + events,
      bytes: current.bytes + bytes,
    };
    if (Date.now() - this.toldAt >= intervalMs) this.show();
  }

  /** The phase has come to its end, whatever was expected of it. */
  end(): void {
    this.current = { ...this.current, total: this.current.done };
    this.show();
  }

  private show(): void {
    this.toldAt = Date.now();
    this.tell?.(this.current);
  }
}
