import type { Actor } from './event';

/** What a command brings along from the edge, so that a decision needs no clock and no randomness. */
export interface CommandMetadata {
  readonly tenantId: string;
  readonly commandId: string;
  readonly actor: Actor;
  /** ISO-8601, UTC. */
  readonly now: string;
}

/** A wish, in the imperative. Deciders turn it into facts or refuse it. */
export interface Command<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly data: Data;
  readonly metadata: CommandMetadata;
}

/**
 * One aggregate. `decide` gives the events a command causes: none when it changes nothing (a retry), or throws a
 * DomainError. `evolve` replays what already happened, so it never throws and never reads a clock.
 */
export interface Decider<State, C, E> {
  readonly initialState: State;
  decide(command: C, state: State): E[];
  evolve(state: State, event: E): State;
}
