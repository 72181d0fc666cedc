import { figure } from './demo-step';

const intervalMs = 5_000;

/**
 * Tells of a long step every five seconds: what is done, how fast it went since the last line, how long it takes yet at
 * that rate. Call what it returns with all that is done so far, in `noun`.
 */
export function progressLines(
  write: (line: string) => void,
  { total, noun }: { readonly total: number; readonly noun: string },
): (done: number) => void {
  let last = { at: Date.now(), done: 0 };
  return (done) => {
    const at = Date.now();
    const seconds = (at - last.at) / 1_000;
    if (seconds * 1_000 < intervalMs) return;
    const perSecond = (done - last.done) / seconds;
    last = { at, done };
    const left = perSecond > 0 ? `${timeOf((total - done) / perSecond)} left` : 'time left unknown';
    write(
      `  ${figure(done)} of ${figure(total)} ${noun} (${Math.floor((100 * done) / total)} %), ` +
        `${figure(Math.round(perSecond))}/s, ${left}`,
    );
  };
}

function timeOf(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
