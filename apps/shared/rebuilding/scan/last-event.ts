import { parseStreamName } from '../../../../domain/stream-name';
import type { EventStore } from '../../event-store/event-store';
import type { LoadOutcome } from '../contracts';

/** Wide enough for any log that lives: nearly all records are of ours. */
const firstWidth = 64n;
const widening = 16n;

/** The last event of ours up to a position, chunks aside; null where there is none. */
export async function lastEvent(
  store: Pick<EventStore, 'readRecords'>,
  upTo: bigint,
): Promise<LoadOutcome['checkpoint']> {
  for (let width = firstWidth; ; width *= widening) {
    const after = width > upTo ? null : upTo - width;
    let last: LoadOutcome['checkpoint'] = null;
    const { signal } = new AbortController();
    for await (const record of store.readRecords({ after, upTo, withContent: false, signal }))
      if (parseStreamName(record.streamName) !== null)
        last = { position: record.position, eventId: record.id };
    if (last !== null || after === null) return last;
  }
}
