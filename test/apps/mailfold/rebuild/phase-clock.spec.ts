import { PhaseClock, secondsLeftInAll } from '../../../../apps/mailfold/rebuild/phase-clock';

const tookOf = (seconds: Record<string, number>) =>
  Object.entries(seconds).map(([phase, taken]) => ({ phase, seconds: taken }));
const exactly = (value: number) => ({ value, low: value, high: value });

describe('the clock of the phases', () => {
  it('leaves pauses out, and goes on from what others have put in', () => {
    let now = 0;
    const clock = new PhaseClock(tookOf({ prepare: 1, scan: 4 }), 'prepare', () => now);
    now += 500;
    clock.begin('scan');
    now += 2_000;
    clock.pause(true);
    now += 60_000;
    clock.pause(false);
    now += 1_000;
    expect(clock.seconds()).toEqual(tookOf({ prepare: 1.5, scan: 7 }));
  });
});

describe('the time that is left in all', () => {
  const planned = [
    { phase: 'scan' as const, seconds: exactly(10) },
    { phase: 'load' as const, seconds: exactly(6) },
    { phase: 'index' as const, seconds: exactly(3) },
  ];

  it('is what the present phase needs as it goes, and what was planned for those after it', () => {
    const took = tookOf({ scan: 4 });
    expect(secondsLeftInAll(planned, { phase: 'scan', secondsLeft: 20, took })).toBe(29);
    expect(secondsLeftInAll(planned, { phase: 'scan', secondsLeft: null, took })).toBe(15);
    expect(secondsLeftInAll(planned, { phase: 'index', secondsLeft: 1, took })).toBe(1);
  });

  it('is unknown where nothing was planned', () => {
    expect(secondsLeftInAll(planned, { phase: 'tail oltp', secondsLeft: 1, took: [] })).toBeNull();
    expect(secondsLeftInAll([], { phase: 'scan', secondsLeft: 1, took: [] })).toBeNull();
  });
});
