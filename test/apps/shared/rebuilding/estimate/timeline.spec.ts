import { Timeline } from '../../../../../apps/shared/rebuilding/estimate/timeline';

/** A phase that takes `startMs` to begin and then `msPerUnit(n)` for its n-th unit. */
function timelineOf(units: number, startMs: number, msPerUnit: (unit: number) => number): Timeline {
  let now = 0;
  const timeline = new Timeline(() => now);
  now += startMs;
  for (let unit = 0; unit < units; unit++) {
    now += msPerUnit(unit);
    timeline.add(1);
  }
  return timeline;
}

describe('the time of a phase, from a sample of it', () => {
  it('grows with the amount, but the start is paid once', () => {
    const timeline = timelineOf(1_000, 500, () => 2);
    expect(timeline.secondsFor(1).value).toBeCloseTo(2.5);
    expect(timeline.secondsFor(10).value).toBeCloseTo(20.5);
  });

  it('follows the rate after the warm-up', () => {
    const timeline = timelineOf(1_000, 0, (unit) => (unit < 300 ? 10 : 1));
    expect(timeline.secondsFor(11).value).toBeCloseTo(3.7 + 10);
  });

  it('is bounded the wider the more unsteady the rate is', () => {
    const steady = timelineOf(1_000, 0, () => 1).secondsFor(10);
    const unsteady = timelineOf(1_000, 0, (unit) => (unit % 500 < 250 ? 1 : 4)).secondsFor(10);
    expect(steady.high / steady.value).toBeCloseTo(1.08);
    expect(unsteady.high / unsteady.value).toBeGreaterThan(1.3);
    expect(unsteady.low).toBeLessThan(unsteady.value);
  });

  it('is nothing where nothing was done', () => {
    expect(new Timeline().secondsFor(10)).toEqual({ value: 0, low: 0, high: 0 });
  });
});
