import {
  commandLine,
  nextCommands,
  refuseIllegal,
  RunRefused,
  runStates,
  steps,
  type RunState,
  type Step,
} from '../../../../apps/mailfold/rebuild/run-states';

const allSteps = Object.keys(steps) as Step[];

describe('the states of a run', () => {
  it('are all reached from planned, and all lead on but the last two', () => {
    const reached = new Set<RunState>(['planned']);
    for (let before = 0; before < reached.size;) {
      before = reached.size;
      for (const step of allSteps)
        if (steps[step].from.some((state) => reached.has(state)))
          steps[step].to.forEach((state) => reached.add(state));
    }
    expect([...reached].sort()).toEqual([...runStates].sort());
    const isLast = (state: RunState): boolean =>
      allSteps.every((step) => !(steps[step].from as readonly RunState[]).includes(state));
    expect(runStates.filter(isLast)).toEqual(['done', 'discarded']);
    expect(runStates.filter((state) => nextCommands(state).length === 0)).toEqual(['done', 'discarded']);
  });

  it('never let what serves be discarded, or what is not proved be cut over without force', () => {
    for (const state of ['partial', 'serving'] as const)
      expect(() => refuseIllegal('discard', 1, state)).toThrow(RunRefused);
    for (const state of ['planned', 'running', 'loaded', 'refuted', 'rolled-back', 'done'] as const)
      expect(() => refuseIllegal('cutOver', 1, state)).toThrow('cannot be cut over');
    expect(() => refuseIllegal('cutOverByForce', 1, 'running')).toThrow('cannot be cut over');
  });

  it('refuse with the reason and the next sensible commands', () => {
    expect(() => refuseIllegal('retire', 3, 'loaded')).toThrow(
      'run 3 cannot be retired: it is loaded (its generation is full and follows the log)',
    );
    expect(nextCommands('loaded').map((command) => commandLine('rebuild', command, 3))).toEqual([
      'mailfold rebuild verify 3',
      'mailfold rebuild discard 3',
    ]);
    expect(commandLine('repartition', 'run', 4)).toBe('mailfold repartition run --plan 4');
  });
});
