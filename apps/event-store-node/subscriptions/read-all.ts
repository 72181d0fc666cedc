import type { GrpcCall } from '../grpc/grpc-call';
import { lastPositionOf } from '../log/log-row';
import { PageSize, type LogReader } from '../storage/log-reader';
import { uint63Max } from '../../shared/protobuf/protobuf-reader';
import type { ReadRequest } from '../wire/read-messages';
import { EventEncoder } from './event-encoder';
import type { EventFilter } from './event-filter';
import { eventsOf, type StoredEvent } from './stored-event';

/** In events. */
const readAheadFrom = 1_000;

/** Reads `$all`: forwards from a position inclusively, backwards from a position exclusively. */
export async function readAll(
  call: GrpcCall,
  reader: LogReader,
  request: ReadRequest,
  filter: EventFilter | undefined,
): Promise<void> {
  const pages = request.backwards
    ? backwards(reader, request, filter?.streamPrefixes ?? null)
    : forwards(reader, request);
  const encoder = new EventEncoder(reader, request);
  let remaining = request.countMax ?? 0;
  if (remaining === 0) return;
  for await (const page of pages) {
    const wanted = page
      .filter((event) => filter === undefined || filter.matches(event.streamName, event.frame))
      .slice(0, remaining);
    remaining -= wanted.length;
    if (wanted.length > 0) await call.write(Buffer.concat(await encoder.frames(wanted)));
    if (remaining <= 0 || call.signal.aborted) return;
  }
}

async function* forwards(reader: LogReader, { from, countMax }: ReadRequest): AsyncGenerator<StoredEvent[]> {
  if (from.kind === 'end') return;
  const end = await reader.head();
  const size = new PageSize();
  let next = from.kind === 'at' ? from.at : 0;
  let ahead = next <= end ? reader.forward(next, size) : undefined;
  while (ahead !== undefined) {
    const rows = await ahead;
    const last = rows.at(-1);
    if (last === undefined) return;
    const first = next;
    next = lastPositionOf(last) + 1;
    // The store reads while the client does; a long read only, since a short one may want no more.
    const isLong = (countMax ?? 0) > readAheadFrom;
    ahead = next <= end && isLong ? reader.forward(next, size) : undefined;
    // Nobody looks at it any more when the client has gone.
    ahead?.catch(() => undefined);
    yield rows.flatMap(eventsOf).filter((event) => event.position >= first);
    if (!isLong && next <= end) ahead = reader.forward(next, size);
  }
}

async function* backwards(
  reader: LogReader,
  { from }: ReadRequest,
  prefixes: readonly string[] | null,
): AsyncGenerator<StoredEvent[]> {
  if (from.kind === 'start') return;
  const size = new PageSize();
  for (let before = from.kind === 'at' ? from.at : uint63Max; ;) {
    const rows = await reader.backward(before, size, prefixes);
    const last = rows.at(-1);
    if (last === undefined) return;
    const first = before;
    yield rows.flatMap((row) => eventsOf(row).reverse()).filter((event) => event.position < first);
    before = last.position;
  }
}
