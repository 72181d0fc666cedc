import { PhaseClock, secondsLeftInAll } from '../../../../apps/mailfold/rebuild/phase-clock';

const exactly = (value: number) => ({ value, low: value, high: value });

describe('the clock of the phases', () => {
  it('leaves pauses out, and goes on from what others have put in', () => {
    let now = 0;
    const clock = new PhaseClock({ prepare: 1, scan: 4 }, 'prepare', () => now);
    now += 500;
    clock.begin('scan');
    now += 2_000;
    clock.pause(true);
    now += 60_000;
    clock.pause(false);
    now += 1_000;
    expect(clock.seconds()).toEqual({ prepare: 1.5, scan: 7 });
  });
});

describe('the time that is left in all', () => {
  const planned = [
    { phase: 'scan' as const, seconds: exactly(10) },
    { phase: 'load' as const, seconds: exactly(6) },
    { phase: 'index' as const, seconds: exactly(3) },
  ];

  it('is what the present phase needs as it goes, and what was planned for those after it', () => {
    const seconds = { scan: 4 };
    expect(secondsLeftInAll(planned, { phase: 'scan', secondsLeft: 20, seconds })).toBe(29);
    expect(secondsLeftInAll(planned, { phase: 'scan', secondsLeft: null, seconds })).toBe(15);
    expect(secondsLeftInAll(planned, { phase: 'index', secondsLeft: 1, seconds })).toBe(1);
  });

  it('is unknown where nothing was planned', () => {
    expect(secondsLeftInAll(planned, { phase: 'tail oltp', secondsLeft: 1, seconds: {} })).toBeNull();
    expect(secondsLeftInAll([], { phase: 'scan', secondsLeft: 1, seconds: {} })).toBeNull();
  });
});
