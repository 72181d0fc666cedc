import type { GrpcCall } from '../grpc/grpc-call';
import { streamDeletedError } from '../grpc/grpc-status';
import { firstVisibleRevision } from '../log/stream-metadata';
import { PageSize, type LogReader, type StreamInfo } from '../storage/log-reader';
import { readResponse, type ReadRequest } from '../wire/read-messages';
import { eventsOf, frameFor, visibility, type StoredEvent } from './stored-event';

/** Reads one stream in either direction, both inclusive. A missing or soft-deleted stream is a message, not an error. */
export async function readStream(
  call: GrpcCall,
  reader: LogReader,
  request: ReadRequest,
  streamName: string,
): Promise<void> {
  const info = await reader.streamInfo(streamName);
  if (info.tombstoned) throw streamDeletedError(streamName);
  if (info.last < 0 || info.softDeleted) return call.write(readResponse.streamNotFound(streamName));
  let remaining = request.countMax ?? 0;
  if (remaining === 0) return;
  const isVisible = visibility(info.metadata, info.last, Date.now());
  const pages = request.backwards
    ? backwards(reader, request, streamName, info)
    : forwards(reader, request, streamName, info);
  for await (const page of pages) {
    const wanted = page.filter(isVisible).slice(0, remaining);
    remaining -= wanted.length;
    if (wanted.length > 0)
      await call.write(Buffer.concat(wanted.map((event) => frameFor(event, request.structuredIds))));
    if (remaining <= 0 || call.signal.aborted) return;
  }
}

async function* forwards(
  reader: LogReader,
  { from, countMax }: ReadRequest,
  streamName: string,
  info: StreamInfo,
): AsyncGenerator<StoredEvent[]> {
  if (from.kind === 'end') return;
  const size = new PageSize(countMax);
  const first = firstVisibleRevision(info.metadata, info.last);
  for (let next = Math.max(first, from.kind === 'at' ? from.at : 0); next <= info.last;) {
    const rows = await reader.streamForward(streamName, next, size);
    const last = rows.at(-1);
    if (last === undefined) return;
    const start = next;
    yield rows.flatMap(eventsOf).filter((event) => event.revision >= start && event.revision <= info.last);
    next = last.revision + last.count;
  }
}

async function* backwards(
  reader: LogReader,
  { from, countMax }: ReadRequest,
  streamName: string,
  info: StreamInfo,
): AsyncGenerator<StoredEvent[]> {
  const size = new PageSize(countMax);
  const first = firstVisibleRevision(info.metadata, info.last);
  const start = from.kind === 'at' ? from.at : from.kind === 'end' ? info.last : 0;
  for (let next = Math.min(start, info.last); next >= first;) {
    const rows = await reader.streamBackward(streamName, next, size);
    const last = rows.at(-1);
    if (last === undefined) return;
    const highest = next;
    yield rows.flatMap((row) => eventsOf(row).reverse()).filter((event) => event.revision <= highest);
    next = last.revision - 1;
  }
}
