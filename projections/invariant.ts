import type { Tier } from './projection';

/*
 * What must hold among the rows of one position of the log, whatever events led there. Declared beside the projections,
 * checked by every proof. In the SQL a table is named in braces, `{conversations}`: the proof puts in its place the rows
 * of the part of a target that it reads.
 */

/** Rows of one target that contradict each other. Both lie in the same slot, and so in the same target. */
export interface RowInvariant {
  /** A sentence that is true while it holds. */
  readonly name: string;
  /** Selects `key`, tenant first, of every row that breaks it. */
  readonly violations: string;
}

/** Two ways to the same figures, each summed over all targets of its tier. */
export interface Balance {
  /** A sentence that is true while it holds. */
  readonly name: string;
  readonly left: Figures;
  readonly right: Figures;
  /** Keys with a figure on the left only are in order where the log no longer holds the bytes of the message they begin with. */
  readonly leftMayLackContent?: true;
}

export interface Figures {
  readonly tier: Tier;
  /** Selects `tenant_id`, `key` (text) and `figure` (a whole number); a key may come several times. */
  readonly sql: string;
}
