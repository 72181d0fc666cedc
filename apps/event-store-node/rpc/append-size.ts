import type { ProposedEvent } from '../wire/event-frames';

/** Default of a real node. */
export const appendBytesMax = 1024 * 1024;

/** Counted the strict way of 24.10.4 and later, so that what we take any node takes (event-store.md §4). */
export function appendSize(events: readonly ProposedEvent[]): number {
  return events.reduce(
    (sum, event) => sum + event.data.length + event.customMetadata.length + 2 * event.type.length,
    0,
  );
}
