import type { ContentEvent } from './content-event';
import type { ExpectedDifference } from './expected-difference';
import type { Balance, RowInvariant } from './invariant';
import type { Projection, Tier } from './projection';

/** A database of read models. Lanes, rebuild and proofs take what to do from here, and know no tier by name. */
export interface ProjectionTier {
  readonly tier: Tier;
  readonly projections: readonly Projection<ContentEvent>[];
  /** Whether its folds read bodies. If not, the log's server leaves them out, and no mail is parsed. */
  readonly withContent: boolean;
  /** What the change under way is meant to change; a proof compares strictly without any. */
  readonly expectedDifferences?: readonly ExpectedDifference[];
  readonly rowInvariants?: readonly RowInvariant[];
  /** Within the tier; those across tiers are in invariants-across-tiers.ts. */
  readonly balances?: readonly Balance[];
}
