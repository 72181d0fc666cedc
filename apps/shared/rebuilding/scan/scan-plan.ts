import type { Coverage } from '../../generations/coverage';
import type { Bucket, LogScope, Poison, SpoolPlace, TierToLoad } from '../contracts';
import type { LogAccess } from './reader-connections';

/** A stretch of the log that one reader reads as a whole. */
export interface LogRange {
  readonly index: number;
  /** Exclusive; null: the start of the log. */
  readonly after: bigint | null;
  /** Inclusive. */
  readonly upTo: bigint;
}

/** All that the readers of a run need to know; the same for all of them. */
export interface ScanPlan {
  readonly runId: string;
  readonly log: LogAccess;
  readonly tiers: readonly TierToLoad[];
  readonly buckets: readonly Bucket[];
  /** What each lane covers whose events are counted. */
  readonly lanes: readonly Coverage[];
  readonly spool: SpoolPlace;
  readonly only?: LogScope;
  readonly poison: 'stop' | 'collect';
}

/** A place in the log, as a checkpoint names it. */
export interface EventPlace {
  readonly position: string;
  readonly eventId: string;
}

/** What one range adds up to, as JSON: the footer of its file, and the proof that it was read whole. */
export interface RangeSummary {
  readonly events: number;
  readonly bytes: number;
  /** As log-ledger/ledger-rows.ts writes it. */
  readonly census: Readonly<Record<string, { events: number; bytes: number; digest: string }>>;
  /** In the order of the plan's lanes; digests in hex. */
  readonly lanes: readonly { readonly events: number; readonly digest: string }[];
  /** The last event that lanes take in; null where there is none. */
  readonly last: EventPlace | null;
  /** The first poison of each sequence in each tier. */
  readonly poison: readonly SpooledPoison[];
}

/** {@link Poison} as JSON. */
export type SpooledPoison = Omit<Poison, 'position'> & { readonly position: string };

/** The unit of a range in a target's `load_units`. Named by the run: ranges of another run are cut elsewhere. */
export function rangeUnit(runId: string, { index }: Pick<LogRange, 'index'>): string {
  return `scan/${runId}/${index}`;
}
