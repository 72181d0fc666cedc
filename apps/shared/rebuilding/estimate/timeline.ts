import { figure, type Figure } from './figure';

/** What nobody can know from a sample: other load on the machine, caches, checkpoints of the databases. */
const errorMin = 0.08;
const windows = 4;

/**
 * When how much of a phase was done. The first half of a sample is warm-up: threads start and code is compiled, once per run
 * however long it is. So the rate is that of the second half.
 */
export class Timeline {
  private readonly begunAt: number;
  private readonly points: { readonly at: number; readonly done: number }[] = [];
  private done = 0;

  constructor(private readonly now: () => number = () => performance.now()) {
    this.begunAt = now();
  }

  add(amount: number): void {
    if (amount <= 0) return;
    this.done += amount;
    this.points.push({ at: this.now() - this.begunAt, done: this.done });
  }

  get total(): number {
    return this.done;
  }

  /** Seconds that the same phase takes for `factor` times as much. 0 where nothing was done. */
  secondsFor(factor: number): Figure {
    const end = this.points.at(-1);
    if (end === undefined) return figure(0, 0);
    const half = this.at(this.done / 2);
    const perUnit = (end.at - half.at) / Math.max(1, end.done - half.done);
    const ms = end.at + perUnit * this.done * Math.max(0, factor - 1);
    return figure(ms / 1_000, factor <= 1 ? errorMin : Math.max(errorMin, 2 * this.spread(half.done)));
  }

  /** Standard error of the mean rate over stretches of the second half, as a part of it. */
  private spread(from: number): number {
    const borders = Array.from({ length: windows + 1 }, (_, n) =>
      this.at(from + ((this.done - from) * n) / windows),
    );
    const rates = borders.slice(1).map((border, n) => {
      const before = borders[n] ?? border;
      return (border.at - before.at) / Math.max(1, border.done - before.done);
    });
    const mean = rates.reduce((all, rate) => all + rate, 0) / windows;
    const variance = rates.reduce((all, rate) => all + (rate - mean) ** 2, 0) / (windows - 1);
    return mean === 0 ? 0 : Math.sqrt(variance / windows) / mean;
  }

  private at(done: number): { readonly at: number; readonly done: number } {
    return this.points.find((point) => point.done >= done) ?? { at: 0, done: 0 };
  }
}
