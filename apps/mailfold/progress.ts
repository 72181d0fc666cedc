import { SingleBar, type Options } from 'cli-progress';
import { duration, groupedDigits } from './output';

const lineIntervalMs = 5_000;
const rateWindowMs = 10_000;

export interface Progress {
  /**
   * `done` of `total`, in the same unit; `count` is what the rate counts (events, mails). `secondsLeftInAll`, where it is
   * known: until what this is a part of is over.
   */
  update(figures: { done: number; total: number; count: number; secondsLeftInAll?: number | null }): void;
  /** Shown above the bar. */
  say(text: string): void;
  stop(): void;
}

/** On stderr: a bar on a terminal, else a line every 5 s, each with rate and time left. */
export function createProgress(
  label: string,
  countedNoun: string,
  stream: NodeJS.WriteStream = process.stderr,
): Progress {
  const rate = new Rate();
  return stream.isTTY
    ? barProgress(label, countedNoun, rate, stream)
    : lineProgress(label, countedNoun, rate, stream);
}

function barProgress(label: string, noun: string, rate: Rate, stream: NodeJS.WriteStream): Progress {
  const options: Options = {
    format: `${label} {bar} {percentage}% | {counted} ${noun} | {rate}/s | {left}`,
    stream,
    hideCursor: true,
    clearOnComplete: false,
    fps: 5,
    barCompleteChar: '█',
    barIncompleteChar: '░',
  };
  const bar = new SingleBar(options);
  bar.start(1, 0, { counted: '0', rate: '0', left: '' });
  return {
    update({ done, total, count, secondsLeftInAll }) {
      rate.add(done, count);
      bar.setTotal(Math.max(total, 1));
      bar.update(done, {
        counted: groupedDigits(count),
        rate: shownRate(rate.perSecond()),
        left: timeLeft(rate.secondsLeft(done, total), secondsLeftInAll),
      });
    },
    say(text) {
      bar.stop();
      stream.write(`${text}\n`);
      bar.start(bar.getTotal(), bar.getProgress() * bar.getTotal(), { counted: '', rate: '', left: '' });
    },
    stop: () => bar.stop(),
  };
}

function lineProgress(label: string, noun: string, rate: Rate, stream: NodeJS.WriteStream): Progress {
  let lastLineAt = Date.now();
  return {
    update(figures) {
      rate.add(figures.done, figures.count);
      if (Date.now() - lastLineAt < lineIntervalMs) return;
      lastLineAt = Date.now();
      stream.write(`${label}: ${lineOf(figures, noun, rate)}\n`);
    },
    say: (text) => void stream.write(`${text}\n`),
    stop: () => undefined,
  };
}

function lineOf(
  { done, total, count, secondsLeftInAll = null }: Parameters<Progress['update']>[0],
  noun: string,
  rate: Rate,
): string {
  // What is done in one piece has no rate, and nobody knows when it is.
  if (total === 1) return done < total ? 'under way' : 'done';
  const percent = total === 0 ? 100 : Math.floor((100 * done) / total);
  const left = timeLeft(rate.secondsLeft(done, total), secondsLeftInAll);
  return `${percent}%, ${groupedDigits(count)} ${noun}, ${shownRate(rate.perSecond())}/s, ${left}`;
}

export function shownRate(perSecond: number): string {
  return perSecond >= 10 ? groupedDigits(Math.round(perSecond)) : perSecond.toFixed(1);
}

/** `inAll`: of the whole that this is a part of. */
export function timeLeft(seconds: number | null, inAll: number | null = null): string {
  const left = seconds === null ? 'time left unknown' : seconds === 0 ? 'done' : `${duration(seconds)} left`;
  return inAll === null ? left : `${left}, ${duration(inAll)} in all`;
}

/** Over the last 10 s, because a mean since the start hides that it has stopped. */
export class Rate {
  private samples: { at: number; done: number; count: number }[] = [{ at: Date.now(), done: 0, count: 0 }];

  add(done: number, count: number): void {
    const at = Date.now();
    const last = this.samples.at(-1);
    if (last && at - last.at < 200 && this.samples.length > 1) this.samples.pop();
    this.samples.push({ at, done, count });
    while (this.samples.length > 2 && (this.samples[1]?.at ?? at) < at - rateWindowMs) this.samples.shift();
  }

  perSecond(): number {
    const { seconds, count } = this.window();
    return seconds === 0 ? 0 : count / seconds;
  }

  /** Null while nothing has moved for as long as it looks back. */
  secondsLeft(done: number, total: number): number | null {
    if (done >= total) return 0;
    const { seconds, done: recently } = this.window();
    return recently <= 0 ? null : ((total - done) * seconds) / recently;
  }

  private window(): { seconds: number; done: number; count: number } {
    const first = this.samples[0];
    const last = this.samples.at(-1);
    if (!first || !last) return { seconds: 0, done: 0, count: 0 };
    return {
      seconds: (last.at - first.at) / 1_000,
      done: last.done - first.done,
      count: last.count - first.count,
    };
  }
}
