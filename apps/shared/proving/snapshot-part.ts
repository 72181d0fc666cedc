import type { Coverage } from '../generations/coverage';
import type { Target } from '../generations/placement';
import type { Snapshot } from './snapshots';

/** Rows of a target, as they were at the position of the proof. */
export interface SnapshotPart {
  readonly snapshot: Snapshot;
  readonly schema: string;
  readonly coverage: Coverage;
  readonly target: Target;
}
