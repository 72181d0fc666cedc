import type { Round } from './row';
import { duration, groupedDigits } from '../../apps/mailfold/output';

export interface Progress {
  begin(side: string, round: Round): void;
  measured(value: number): void;
  ratio(ratio: number): void;
}

/** Lines on stderr: which side runs, what it reached, and the time left, learnt from the runs so far. */
export function createProgress(
  label: string,
  unit: string,
  sideRuns: number,
  write: (line: string) => void,
): Progress {
  const startedAt = performance.now();
  let done = 0;
  let current = '';
  return {
    begin(side, round) {
      current = `${label}, ${roundName(round)}, ${side}`;
    },
    measured(value) {
      done += 1;
      const secondsEach = (performance.now() - startedAt) / 1_000 / done;
      const left = done < sideRuns ? `; ${duration(secondsEach * (sideRuns - done))} left` : '';
      write(`${current}: ${figure(value)} ${unit}${left}`);
    },
    ratio: (ratio) => write(`${label}: ratio ${ratio.toFixed(2)}`),
  };
}

/** Three significant digits, or whole thousands in groups. */
export function figure(value: number): string {
  return value >= 100 ? groupedDigits(Math.round(value)) : value.toPrecision(3);
}

export function roundName({ index }: Round): string {
  return index < 0 ? 'warm-up' : `round ${index + 1}`;
}
