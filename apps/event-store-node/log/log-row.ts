import type { ProposedEvent } from '../wire/event-frames';

/** Positions below are never used, so that "the start" and position 0 mean the same (event-store.md §4, Positions). */
export const firstPosition = 1_024;

/** An append that has its place in the log and is not encoded yet. */
export interface PlannedRow {
  readonly position: number;
  readonly streamName: string;
  readonly revision: number;
  readonly events: readonly ProposedEvent[];
}

/** One append as stored: `count` events with consecutive revisions and positions, encoded end to end in `frames`. */
export interface LogRow {
  readonly position: number;
  readonly streamName: string;
  readonly revision: number;
  /** 0 for an append without events, which takes a position but shows nothing. */
  readonly count: number;
  readonly frames: Buffer;
}

/** Position of the row's last event, or of the row itself when it has none. */
export function lastPositionOf(row: LogRow): number {
  return row.position + Math.max(row.count, 1) - 1;
}
