import type { ReadBackEvent } from './acknowledgements';
import type { PlannedAppend } from './workload';

/** A store as a load generator uses it: many appends at a time. */
export interface AppendStore {
  /** Resolves when the events are durable. */
  append(append: PlannedAppend): Promise<void>;
  /** Everything written since the store was opened, in the order of its log. */
  readBack(): AsyncIterable<ReadBackEvent>;
  close(): Promise<void>;
}
