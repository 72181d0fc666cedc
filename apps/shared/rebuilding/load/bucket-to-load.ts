import type { Pool } from 'pg';
import type { ProjectionTier } from '../../../../projections/tier';
import type { Coverage } from '../../generations/coverage';
import type { ReadableEvent } from '../../projecting/fold-event';
import type { Bucket, Poison, StoppedSequence } from '../contracts';
import type { RowCounts } from './load-units';

/** A target whose tables {@link bareTables} has made ready, with connections of its owner: one per target of the bucket. */
export interface TargetConnection {
  readonly pool: Pool;
  readonly schema: string;
  readonly coverage: Coverage;
}

export interface BucketToLoad {
  readonly tier: ProjectionTier;
  readonly bucket: Bucket;
  readonly targets: readonly TargetConnection[];
  /** All events of the log with rows in the bucket's slots, in log order; read again where memory does not do for one go. */
  readonly events: () => Iterable<readonly ReadableEvent[]>;
  readonly stopped: readonly StoppedSequence[];
  /** Bound of the rows held at once. One slot is the least that can be folded. */
  readonly memoryMaxBytes: number;
  /** Awaited between blocks of events: to pause, to tell of progress, or to throw the reason of an abort. */
  readonly onBlock?: (events: number) => Promise<void>;
}

export interface BucketLoaded {
  /** Over all targets; empty for those that an earlier call has filled. */
  readonly rows: RowCounts;
  /**
   * Events that only the rows have shown to be poison, the first of each sequence. Where there is one, nothing was written:
   * other buckets hold rows of those sequences too, so the load begins again with the sequences stopped (`emptyFolded`).
   */
  readonly poison: readonly Poison[];
}
