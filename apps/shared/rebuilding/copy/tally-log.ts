import { parseStreamName } from '../../../../domain/stream-name';
import { slotOf } from '../../../../domain/slot';
import type { EventStore, LogRecord } from '../../event-store/event-store';
import { covers, type Coverage } from '../../generations/coverage';
import { addDigests, digestOf, emptyDigest } from '../../log-ledger/id-digest';
import type { LaneTally } from '../contracts';

export interface LogToTally {
  readonly store: Pick<EventStore, 'readRecords'>;
  /** Inclusive; null: nothing. */
  readonly upTo: bigint | null;
  readonly signal: AbortSignal;
  readonly pace?: () => Promise<void>;
  /** Told of every 1,000 records. */
  readonly onRecords?: (count: number) => void;
}

const recordsPerBatch = 1_000;

/**
 * What lanes of these coverages must have counted by the time they stand at `upTo`: every event of our streams whose own
 * slot and tenant they cover, content chunks aside. Reads the log without opening anything, which costs a tenth of a
 * replay. In the order of `coverages`. Throws the reason of an abort.
 */
export async function tallyLog(
  coverages: readonly Coverage[],
  { store, upTo, signal, pace, onRecords }: LogToTally,
): Promise<LaneTally[]> {
  const tallies = coverages.map((coverage) => ({ coverage, events: 0, digest: emptyDigest }));
  if (upTo === null) return tallies;
  let records = 0;
  for await (const record of store.readRecords({ after: null, upTo, withContent: false, signal })) {
    const place = placeOf(record);
    if (place === null) continue;
    const digest = digestOf(record.id);
    for (const tally of tallies) {
      if (!covers(tally.coverage, place)) continue;
      tally.events += 1;
      tally.digest = addDigests(tally.digest, digest);
    }
    if (++records % recordsPerBatch !== 0) continue;
    onRecords?.(recordsPerBatch);
    await pace?.();
  }
  // An aborted read ends like one that is complete.
  signal.throwIfAborted();
  onRecords?.(records % recordsPerBatch);
  return tallies;
}

/** Null for a stream that is not ours. */
function placeOf({ streamName }: LogRecord): { tenantId: string; slot: number } | null {
  const stream = parseStreamName(streamName);
  if (stream === null) return null;
  const { tenantId, entityId } = stream;
  return { tenantId, slot: slotOf(tenantId, entityId) };
}
