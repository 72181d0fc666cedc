import type { GrpcCall } from '../grpc/grpc-call';
import { emptyMessage } from '../../shared/protobuf/protobuf-writer';
import { streamDeletedError } from '../grpc/grpc-status';
import { firstVisibleRevision } from '../log/stream-metadata';
import { PageSize, type LogReader, type StreamInfo } from '../storage/log-reader';
import { readResponse, type ReadRequest } from '../wire/read-messages';
import { EventEncoder } from './event-encoder';
import { eventsOf, visibility, type StoredEvent } from './stored-event';

/** How many events a real node reads at a time; see {@link firstStreamPositions}. */
const realPageEvents = 32;

/** Reads one stream in either direction, both inclusive. A missing or soft-deleted stream is a message, not an error. */
export async function readStream(call: GrpcCall, reader: LogReader, request: ReadRequest): Promise<void> {
  const { streamName } = request;
  const info = await reader.streamInfo(streamName);
  if (info.tombstoned) throw streamDeletedError(streamName);
  if (info.last < 0 || info.softDeleted) return call.write(readResponse.streamNotFound(streamName));
  if (request.countMax === 0) return;
  if (request.wantsStreamPositions) await call.write(firstStreamPositions(request, info));
  await readEvents(call, reader, request, info);
  if (request.wantsStreamPositions) await call.write(readResponse.lastStreamPosition(info.last));
}

/**
 * Where the stream goes on, for a reader that has begun where nothing is to be seen. Real nodes tell it only when a page of
 * theirs was empty, and from past the end they name the end (observed on 23.10.8 and 24.2.0).
 */
function firstStreamPositions(request: ReadRequest, { metadata, last }: StreamInfo): Buffer {
  const { from, countMax = 0, backwards } = request;
  if (backwards || from.kind === 'end') return emptyMessage;
  const start = from.kind === 'at' ? from.at : 0;
  const first = firstVisibleRevision(metadata, last);
  const isPageEmpty = start + Math.min(countMax, realPageEvents) <= first;
  const next = isPageEmpty ? first : start;
  const isPastEnd = Math.max(next, first) > last && next !== last + 1;
  return Buffer.concat([
    ...(isPageEmpty ? [readResponse.firstStreamPosition(first)] : []),
    ...(isPastEnd ? [readResponse.firstStreamPosition(last + 1)] : []),
  ]);
}

async function readEvents(
  call: GrpcCall,
  reader: LogReader,
  request: ReadRequest,
  info: StreamInfo,
): Promise<void> {
  let remaining = request.countMax ?? 0;
  const encoder = new EventEncoder(reader, request);
  const isVisible = visibility(info.metadata, info.last, Date.now());
  const pages = request.backwards ? backwards(reader, request, info) : forwards(reader, request, info);
  for await (const page of pages) {
    const wanted = page.filter(isVisible).slice(0, remaining);
    remaining -= wanted.length;
    if (wanted.length > 0) await call.write(Buffer.concat(await encoder.frames(wanted)));
    if (remaining <= 0 || call.signal.aborted) return;
  }
}

async function* forwards(
  reader: LogReader,
  { streamName, from, countMax }: ReadRequest,
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
  { streamName, from, countMax }: ReadRequest,
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
