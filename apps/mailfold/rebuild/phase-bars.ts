import { createProgress, type Progress } from '../progress';
import type { PhaseFigures } from './operations/attendance';

/** A progress bar per phase, one below the other, each with rate and time left. */
export class PhaseBars {
  private phase: string | null = null;
  private bar: Progress | null = null;
  private last: PhaseFigures | null = null;

  show(progress: PhaseFigures & { readonly secondsLeftInAll?: number | null }): void {
    if (progress.phase !== this.phase) this.begin(progress);
    this.last = progress;
    const { done, total, what, events, secondsLeftInAll = null } = progress;
    this.bar?.update({ done, total, count: what === 'events' ? events : done, secondsLeftInAll });
  }

  say(text: string): void {
    if (this.bar === null) process.stderr.write(`${text}\n`);
    else this.bar.say(text);
  }

  stop(): void {
    this.bar?.stop();
    this.bar = null;
    this.phase = null;
  }

  private begin({ phase, what }: PhaseFigures): void {
    if (this.last !== null && this.bar !== null) {
      const { total, what: counted, events } = this.last;
      // The last figures of a phase may never come; the next one begins when it is over.
      this.bar.update({ done: total, total, count: counted === 'events' ? events : total });
    }
    this.stop();
    this.phase = phase;
    this.bar = createProgress(phase.padEnd(labelWidth), what);
  }
}

const labelWidth = 12;
