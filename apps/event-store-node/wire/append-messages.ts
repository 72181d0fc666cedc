import type { ExpectedRevision } from '../log/append-rules';
import type { ProposedEvent } from './event-frames';
import { ProtobufReader } from '../../shared/protobuf/protobuf-reader';
import { delimitedField, emptyMessage, message, varintField } from '../../shared/protobuf/protobuf-writer';
import { isUuid, nilUuid, readUuid, uuidMessage, type WireUuid } from './uuid';

/** A request that parses but asks for something illegal. `missing` names required metadata that is absent. */
export class BadRequest extends Error {
  override readonly name = 'BadRequest';
  constructor(
    message: string,
    readonly missing: readonly string[] = [],
  ) {
    super(message);
  }
}

// A name is an index key in PostgreSQL, whose entries are limited to about 2,700 bytes.
const streamNameBytesMax = 2_000;
const noBytes = Buffer.alloc(0);

/** `StreamIdentifier { 3 stream_name }`. */
export function readStreamIdentifier(reader: ProtobufReader): string {
  let name = '';
  while (reader.next()) if (reader.field === 3) name = reader.string();
  return name;
}

/** Throws {@link BadRequest} for a name no stream can have. */
export function checkStreamName(name: string): void {
  if (name === '' || name === '$$') throw new BadRequest('The stream name is empty.');
  if (name.includes('\0')) throw new BadRequest('The stream name contains a NUL character.');
  if (name.length * 3 > streamNameBytesMax && Buffer.byteLength(name) > streamNameBytesMax)
    throw new BadRequest(`The stream name is longer than ${streamNameBytesMax} bytes.`);
}

export interface AppendTarget {
  readonly streamName: string;
  readonly expected: ExpectedRevision | undefined;
  /** Only in BatchAppend. Milliseconds since 1970. */
  readonly deadlineAtMs: number | undefined;
}

/**
 * Options of Append, Delete, Tombstone `{ 1 stream, 2 revision | 3 no_stream | 4 any | 5 exists }`, and of BatchAppend, which
 * has the same fields and `6 deadline as Timestamp | 7 as Duration`.
 */
export function readAppendTarget(reader: ProtobufReader, nowMs: number): AppendTarget {
  let streamName = '';
  let expected: ExpectedRevision | undefined;
  let deadlineAtMs: number | undefined;
  while (reader.next()) {
    if (reader.field === 1) streamName = readStreamIdentifier(reader.message());
    else if (reader.field === 2) expected = { kind: 'exact', revision: reader.varint() };
    else if (reader.field === 3) expected = { kind: 'noStream' };
    else if (reader.field === 4) expected = { kind: 'any' };
    else if (reader.field === 5) expected = { kind: 'streamExists' };
    else if (reader.field === 6) deadlineAtMs = readSecondsAndNanos(reader.message());
    else if (reader.field === 7) deadlineAtMs = nowMs + readSecondsAndNanos(reader.message());
  }
  return { streamName, expected, deadlineAtMs };
}

function readSecondsAndNanos(reader: ProtobufReader): number {
  let ms = 0;
  while (reader.next()) {
    if (reader.field === 1) ms += Number(reader.int64()) * 1000;
    else if (reader.field === 2) ms += Number(reader.int64()) / 1e6;
  }
  return ms;
}

/** `ProposedMessage { 1 id, 2 metadata map, 3 custom_metadata, 4 data }`. Throws {@link BadRequest}. */
export function readProposedEvent(reader: ProtobufReader): ProposedEvent {
  let id = '';
  let type: string | undefined;
  let contentType: string | undefined;
  let customMetadata: Buffer = noBytes;
  let data: Buffer = noBytes;
  while (reader.next()) {
    if (reader.field === 1) id = readUuid(reader.message()).text.toLowerCase();
    else if (reader.field === 2) {
      const { key, value } = readMapEntry(reader.message());
      if (key === 'type') type = value;
      else if (key === 'content-type') contentType = value;
    } else if (reader.field === 3) customMetadata = reader.bytes();
    else if (reader.field === 4) data = reader.bytes();
  }
  const missing = [
    ...(type === undefined ? ['type'] : []),
    ...(contentType === undefined ? ['content-type'] : []),
  ];
  if (missing.length > 0)
    throw new BadRequest(`Required metadata is missing: ${missing.join(', ')}.`, missing);
  if (!isUuid(id) || id === nilUuid) throw new BadRequest('The event id is not a UUID or is nil.');
  if (type === undefined || type === '') throw new BadRequest('The event type is empty.');
  return { id, type, isJson: contentType === 'application/json', customMetadata, data };
}

function readMapEntry(reader: ProtobufReader): { key: string; value: string } {
  let key = '';
  let value = '';
  while (reader.next()) {
    if (reader.field === 1) key = reader.string();
    else if (reader.field === 2) value = reader.string();
  }
  return { key, value };
}

/** `BatchAppendReq { 1 correlation_id, 2 options, 3 proposed_messages*, 4 is_final }`; nested messages are left unread. */
export interface BatchAppendPart {
  readonly correlationId: WireUuid;
  readonly options: ProtobufReader | undefined;
  readonly proposed: readonly ProtobufReader[];
  readonly isFinal: boolean;
}

export function readBatchAppendPart(body: Buffer): BatchAppendPart {
  const reader = new ProtobufReader(body);
  let correlationId: WireUuid = { text: '', form: 'string' };
  let options: ProtobufReader | undefined;
  const proposed: ProtobufReader[] = [];
  let isFinal = false;
  while (reader.next()) {
    if (reader.field === 1) correlationId = readUuid(reader.message());
    else if (reader.field === 2) options = reader.message();
    else if (reader.field === 3) proposed.push(reader.message());
    else if (reader.field === 4) isFinal = reader.bool();
  }
  return { correlationId, options, proposed, isFinal };
}

/** `AllStreamPosition { 1 commit, 2 prepare }`, which every message of the protocol shares under one name or another. */
export function positionMessage(position: number): Buffer {
  return message(varintField(1, position), varintField(2, position));
}

export function streamIdentifierMessage(streamName: string): Buffer {
  return delimitedField(3, streamName);
}

/** `UUID` of a correlation id, in the form the request used unless told otherwise. */
export function correlationField(correlationId: WireUuid, form = correlationId.form): Buffer {
  return delimitedField(1, uuidMessage(correlationId.text, form));
}

/** `Success { 1 current_revision | 2 no_stream, 3 position | 4 no_position }` of Append and BatchAppend. */
export function appendSuccessMessage(revision: number | undefined, position: number | undefined): Buffer {
  return message(
    revision === undefined ? delimitedField(2, emptyMessage) : varintField(1, revision),
    position === undefined ? delimitedField(4, emptyMessage) : delimitedField(3, positionMessage(position)),
  );
}
