import type { RowOperation } from '../../../projections/projection';

/** Names the events that must stay together: one poison event stops the later ones of its sequence, and no other. */
export interface Sequence {
  readonly tenantId: string;
  /** The entity of the event's stream: a conversation, a message, a user… */
  readonly sequenceId: string;
  readonly slot: number;
}

/** An event as lanes take it: already folded into row operations, or with the reason why it cannot be. */
export interface LaneEvent {
  readonly id: string;
  readonly type: string;
  readonly position: bigint;
  readonly sequence: Sequence;
  /** Those of the rows that the lane covers. */
  readonly operations: readonly RowOperation[];
  /** Whether it changes rows of the tier at all, whichever lanes they belong to. */
  readonly changesRows: boolean;
  /** Set: nobody can apply it; its sequence is parked. */
  readonly poison: string | null;
  /** What it holds in memory, roughly; bodies count, small rows do not. */
  readonly bytes: number;
}

/** Where a lane stands: the last event it has committed. */
export interface Checkpoint {
  readonly position: bigint;
  readonly eventId: string;
}
