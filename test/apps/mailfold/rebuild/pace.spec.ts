import { nextBound, percentile95 } from '../../../../apps/mailfold/rebuild/governor';
import { Pace } from '../../../../apps/mailfold/rebuild/pace';

describe('the pace of a run', () => {
  let nowMs: number;
  let pace: Pace;
  let stop: AbortController;
  afterEach(() => stop.abort());
  beforeEach(() => {
    stop = new AbortController();
    nowMs = 0;
    pace = new Pace(stop.signal, { now: () => nowMs });
  });
  const isHeldBack = async (): Promise<boolean> =>
    Promise.race([pace.wait().then(() => false), new Promise<boolean>((done) => setImmediate(done, true))]);

  it('holds nobody back without a bound', async () => {
    pace.counted(1_000_000);
    expect(await isHeldBack()).toBe(false);
  });

  it('holds back what is ahead of the lower of its bounds, until time has caught up', async () => {
    pace.bound({ operator: 1_000, governor: 100 });
    pace.counted(150);
    nowMs = 1_000;
    expect(await isHeldBack()).toBe(true);
    nowMs = 1_500;
    expect(await isHeldBack()).toBe(false);
    pace.bound({ governor: null });
    expect(pace.eventsPerSecondMax).toBe(1_000);
  });

  it('does not let a pause be made up for afterwards', async () => {
    pace.bound({ operator: 100 });
    pace.pause(true);
    nowMs = 60_000;
    expect(await isHeldBack()).toBe(true);
    pace.pause(false);
    pace.counted(500);
    expect(await isHeldBack()).toBe(true);
  });

  it('counts each phase anew', async () => {
    pace.bound({ operator: 100 });
    pace.counted(100_000);
    pace.counted(0);
    expect(await isHeldBack()).toBe(false);
  });
});

describe('the governor', () => {
  it('halves the rate beyond the bound, never below 100 events/s, and gives it back by tenths', () => {
    expect(nextBound({ bound: null, p95Ms: 30, p95MaxMs: 20, rate: 8_000 })).toBe(4_000);
    expect(nextBound({ bound: 4_000, p95Ms: 30, p95MaxMs: 20, rate: 3_000 })).toBe(1_500);
    expect(nextBound({ bound: 120, p95Ms: Infinity, p95MaxMs: 20, rate: 120 })).toBe(100);
    expect(nextBound({ bound: 1_000, p95Ms: 18, p95MaxMs: 20, rate: 900 })).toBe(1_000);
    expect(nextBound({ bound: 1_000, p95Ms: 5, p95MaxMs: 20, rate: 900 })).toBe(1_100);
    expect(nextBound({ bound: 4_000, p95Ms: 5, p95MaxMs: 20, rate: 900 })).toBeNull();
  });

  it('takes the 95th of 100', () => {
    expect(percentile95(Array.from({ length: 100 }, (_, n) => n + 1))).toBe(95);
  });
});
