import type { Decider } from '../../domain/decider';
import { DomainError } from '../../domain/domain-error';

/** given(history).when(command).then(events): a decider needs no store, no mock and no clock. */
export function specify<State, C, E>(decider: Decider<State, C, E>) {
  const fold = (events: readonly E[], from = decider.initialState): State =>
    events.reduce((state, event) => decider.evolve(state, event), from);
  return (history: readonly E[]) => ({
    when: (command: C) => ({
      then: (expected: readonly E[]) => {
        const state = fold(history);
        const events = decider.decide(command, state);
        expect(events).toEqual(expected);
        // Said here once, it holds for every command of every aggregate: the same command again changes nothing.
        expect(decider.decide(command, fold(events, state))).toEqual([]);
      },
      thenNothing: () => expect(decider.decide(command, fold(history))).toEqual([]),
      thenRejectedWith: (code: string, fields: object = {}) => {
        const error = catchError(() => decider.decide(command, fold(history)));
        expect(error).toBeInstanceOf(DomainError);
        expect(error).toMatchObject({ code, ...fields });
      },
    }),
  });
}

function catchError(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}
