import { ProtobufReader } from '../protobuf/protobuf-reader';
import { delimitedField, emptyMessage, int64Field, message, varintField } from '../protobuf/protobuf-writer';
import { readRecordedEvent, type StoredRecord } from './stored-record';

export const readPath = '/event_store.client.streams.Streams/Read';

const backwards = 1;
/** Records looked at per window, and windows per checkpoint: a checkpoint behind every 2,048 records. */
const windowMax = 512;
const windowsPerCheckpoint = 4;

/**
 * What the server is to leave out: all whose type does not match a regular expression, or all whose stream begins with none
 * of the prefixes. It takes one kind per read. `null` leaves out nothing.
 */
export type RecordFilter = { readonly types: string } | { readonly streamPrefixes: readonly string[] } | null;

/** Follows `$all` behind a position, `null` being the start: catches up, then stays. */
export function subscriptionRequest(after: bigint | null, filter: RecordFilter): Buffer {
  const from = after === null ? delimitedField(2, emptyMessage) : delimitedField(1, positionMessage(after));
  return readRequest(delimitedField(2, from), delimitedField(6, emptyMessage), filterField(filter));
}

/** The last record of `$all` that the filter lets through. */
export function lastRecordRequest(filter: RecordFilter): Buffer {
  const fromEnd = delimitedField(2, delimitedField(3, emptyMessage));
  return readRequest(fromEnd, varintField(3, backwards), varintField(5, 1), filterField(filter));
}

/** The record of `$all` at a position, or the next one behind it. */
export function recordAtRequest(position: bigint): Buffer {
  const from = delimitedField(2, delimitedField(1, positionMessage(position)));
  return readRequest(from, varintField(5, 1), filterField(null));
}

/** A stream from a revision on. */
export function streamRequest(streamName: string, fromRevision: number, maxCount: number): Buffer {
  const stream = message(delimitedField(1, delimitedField(3, streamName)), varintField(2, fromRevision));
  return readRequest(delimitedField(1, stream), varintField(5, maxCount), filterField(null));
}

/** `ReadReq { 1 options { 2 all, 3 direction, 5 count | 6 subscription, 7 filter | 8 no_filter, 9 uuid_option { 2 string } } }`, of
 * a single stream `1 stream { 1 identifier { 3 name }, 2 revision }` in place of 2. */
function readRequest(...options: Buffer[]): Buffer {
  return delimitedField(1, message(...options, delimitedField(9, delimitedField(2, emptyMessage))));
}

function positionMessage(position: bigint): Buffer {
  return message(int64Field(1, position), int64Field(2, position));
}

/** `FilterOptions { 1 stream_identifier | 2 event_type { 1 regex, 2 prefix* }, 3 max, 5 checkpointIntervalMultiplier }`. */
function filterField(filter: RecordFilter): Buffer {
  if (filter === null) return delimitedField(8, emptyMessage);
  const expression =
    'types' in filter
      ? delimitedField(2, delimitedField(1, filter.types))
      : delimitedField(1, message(...filter.streamPrefixes.map((prefix) => delimitedField(2, prefix))));
  return delimitedField(
    7,
    message(expression, varintField(3, windowMax), varintField(5, windowsPerCheckpoint)),
  );
}

export type ReadMessage =
  | { readonly kind: 'record'; readonly record: StoredRecord }
  | { readonly kind: 'checkpoint'; readonly position: bigint }
  | { readonly kind: 'caught-up' }
  /** A confirmation, or what a later server has to tell. */
  | { readonly kind: 'other' };

const caughtUp: ReadMessage = { kind: 'caught-up' };
const other: ReadMessage = { kind: 'other' };

/** `ReadResp { 1 event { 1 recorded event }, 2 confirmation, 3 checkpoint { 1 commit }, 8 caught_up }`. */
export function decodeReadMessage(body: Buffer): ReadMessage {
  const reader = new ProtobufReader(body);
  if (!reader.next()) return other;
  if (reader.field === 1) {
    const event = reader.message();
    while (event.next())
      if (event.field === 1) return { kind: 'record', record: readRecordedEvent(event.bytes()) };
    return other;
  }
  if (reader.field === 3) return { kind: 'checkpoint', position: firstUint64(reader.message()) };
  return reader.field === 8 ? caughtUp : other;
}

function firstUint64(reader: ProtobufReader): bigint {
  let value = 0n;
  while (reader.next()) if (reader.field === 1) value = reader.uint64();
  return value;
}
