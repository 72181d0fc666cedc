import { decodeEventFrame, splitFrames } from '../wire/event-frames';
import type { LogRow } from '../log/log-row';
import { firstVisibleRevision, isExpired, type StreamMetadata } from '../log/stream-metadata';
import { uint63Max } from '../../shared/protobuf/protobuf-reader';

/** One event of a row. Its frame is decoded only where somebody asks. */
export interface StoredEvent {
  readonly streamName: string;
  readonly position: number;
  readonly revision: number;
  readonly frame: Buffer;
}

export function eventsOf(row: LogRow): StoredEvent[] {
  return splitFrames(row.frames).map((frame, index) => ({
    streamName: row.streamName,
    position: row.position + index,
    revision: row.revision + index,
    frame,
  }));
}

/** What `$tb`, `$maxCount` and `$maxAge` leave visible at this moment; a tombstone is always seen. */
export function visibility(
  metadata: StreamMetadata,
  last: number,
  nowMs: number,
): (event: StoredEvent) => boolean {
  const first = firstVisibleRevision(metadata, last);
  return (event) =>
    event.revision >= uint63Max ||
    (event.revision >= first &&
      (metadata.maxAgeMs === undefined ||
        !isExpired(metadata, decodeEventFrame(event.frame).createdAtMs, nowMs)));
}
