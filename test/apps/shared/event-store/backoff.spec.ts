import { backOff, backoffMs } from '../../../../apps/shared/event-store/backoff';

const drawn = (attempt: number): number[] => Array.from({ length: 500 }, () => backoffMs(attempt));

describe('the pause before another attempt', () => {
  it.each([
    [0, 50],
    [1, 100],
    [4, 800],
    [6, 2_000],
    [1_000, 2_000],
  ])(
    'after %i failures is drawn from all of 0 to %i ms, so that clients do not come back in one wave',
    (attempt, most) => {
      const pauses = drawn(attempt);
      expect(Math.max(...pauses)).toBeLessThanOrEqual(most);
      expect(Math.min(...pauses)).toBeGreaterThanOrEqual(0);
      // Each tenth of the range is hit; that 500 draws miss one of them happens once in 10^22 times.
      const tenths = new Set(pauses.map((pause) => Math.min(9, Math.floor((10 * pause) / most))));
      expect(tenths.size).toBe(10);
    },
  );

  it('ends when it is aborted', async () => {
    const abort = new AbortController();
    const pausing = Promise.all(Array.from({ length: 10 }, () => backOff(1_000, abort.signal)));
    const startedAt = performance.now();
    abort.abort();
    await pausing;
    // Ten pauses of up to 2 s each: that none would have been longer than this happens once in 10^13 times.
    expect(performance.now() - startedAt).toBeLessThan(100);
  });
});
