import type { ContentEvent } from './content-event';
import type { Projection, Tier } from './projection';

/** A database of read models. Lanes, rebuild and proofs take what to do from here, and know no tier by name. */
export interface ProjectionTier {
  readonly tier: Tier;
  readonly projections: readonly Projection<ContentEvent>[];
  /** Whether its folds read bodies. If not, the log's server leaves them out, and no mail is parsed. */
  readonly withContent: boolean;
}
