import { parseStreamName } from '../../../../domain/stream-name';
import { slotOf } from '../../../../domain/slot';
import type { EventStore, LogRecord } from '../../event-store/event-store';
import { covers, type Coverage } from '../../generations/coverage';
import { addDigests, digestOf, emptyDigest } from '../../log-ledger/id-digest';
import { LogDisagrees, type LaneTally } from '../contracts';

export interface LogToTally {
  readonly store: Pick<EventStore, 'readRecords'>;
  /** Exclusive; default: from the start. */
  readonly after?: bigint | null;
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
  { store, after = null, upTo, signal, pace, onRecords }: LogToTally,
): Promise<LaneTally[]> {
  const tallies = coverages.map((coverage) => ({ coverage, events: 0, digest: emptyDigest }));
  if (upTo === null || (after !== null && upTo <= after)) return tallies;
  let records = 0;
  for await (const record of store.readRecords({ after, upTo, withContent: false, signal })) {
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

/** What was counted in two stretches of the log, for the same coverages in the same order. */
export function addTallies(some: readonly LaneTally[], others: readonly LaneTally[]): LaneTally[] {
  return some.map(({ coverage, events, digest }, index) => {
    const other = others[index];
    if (other === undefined) throw new Error('Two countings of the log are of different coverages');
    return { coverage, events: events + other.events, digest: addDigests(digest, other.digest) };
  });
}

/** Throws {@link LogDisagrees} where a lane has taken in other events than the log holds for it. */
export function refuseDifference(schema: string, said: LaneTally, counted: LaneTally | undefined): void {
  const { hi, lo } = said.digest;
  if (counted?.events === said.events && counted.digest.hi === hi && counted.digest.lo === lo) return;
  const { from, to } = said.coverage.slots;
  throw new LogDisagrees(
    `${schema} says it has taken in ${said.events} events of slots ${from} to ${to}; the log holds ${counted?.events ?? 0} ` +
      'there, or others: its rows can only be filled again from the log',
  );
}
