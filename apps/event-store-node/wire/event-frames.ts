import { framed, frameHeaderSize } from '../../shared/grpc/message-framing';
import { ProtobufReader } from '../../shared/protobuf/protobuf-reader';
import {
  delimitedField,
  message,
  varintField,
  varintSize,
  writeVarint,
} from '../../shared/protobuf/protobuf-writer';
import { readUuid, uuidMessage } from './uuid';

/** An event as a client proposes it. `id` is a lower-case UUID; the two bodies may be views of the received message. */
export interface ProposedEvent {
  readonly id: string;
  readonly type: string;
  readonly isJson: boolean;
  readonly customMetadata: Buffer;
  readonly data: Buffer;
}

/** One event as it is stored and sent: the whole gRPC frame, and what filters and truncation rules ask about it. */
export interface EventFrame {
  readonly frame: Buffer;
  readonly id: string;
  readonly type: string;
  /** Milliseconds since 1970. */
  readonly createdAtMs: number;
}

const idField = Buffer.from([0x0a, 38, 0x12, 36]);
const idTextSize = 36;
const typeKey = Buffer.concat([Buffer.from([0x0a, 4]), Buffer.from('type')]);
const contentTypes = {
  json: mapEntry('content-type', 'application/json'),
  binary: mapEntry('content-type', 'application/octet-stream'),
};

/** The metadata entries that all events of one content type share when they are stored at the same moment. */
export interface CreatedStamp {
  readonly json: Buffer;
  readonly binary: Buffer;
}

export function createdStamp(createdAtMs: number): CreatedStamp {
  // Ticks of 100 ns exceed 2^53, so they are put together as text.
  const created = mapEntry('created', `${createdAtMs}0000`);
  return { json: message(contentTypes.json, created), binary: message(contentTypes.binary, created) };
}

/**
 * Encodes the events of one append as finished gRPC frames of `ReadResp { 1 ReadEvent { 1 RecordedEvent, 3 commit } }`, end
 * to end. A read then sends stored bytes and encodes nothing (event-store.md §2.2, §4.1).
 * Event i gets revision `firstRevision + i` and position `firstPosition + i`.
 */
export class EventFramesEncoder {
  readonly byteCount: number;
  private readonly stream: Buffer;
  private readonly recordedSizes: readonly number[];

  constructor(
    streamName: string,
    private readonly events: readonly ProposedEvent[],
    private readonly firstRevision: number,
    private readonly firstPosition: number,
    private readonly stamp: CreatedStamp,
  ) {
    this.stream = delimitedField(2, delimitedField(3, streamName));
    this.recordedSizes = events.map((event, index) => this.recordedSize(event, index));
    this.byteCount = this.recordedSizes.reduce(
      (sum, size, index) => sum + frameHeaderSize + delimitedSize(this.readEventSize(size, index)),
      0,
    );
  }

  /** Returns the offset behind the last frame. */
  writeTo(target: Buffer, start: number): number {
    let at = start;
    for (const [index, event] of this.events.entries()) at = this.writeEvent(target, at, event, index);
    return at;
  }

  private recordedSize(event: ProposedEvent, index: number): number {
    return (
      idField.length +
      idTextSize +
      this.stream.length +
      3 +
      varintSize(this.firstRevision + index) +
      2 * varintSize(this.firstPosition + index) +
      delimitedSize(typeKey.length + delimitedSize(Buffer.byteLength(event.type))) +
      this.sharedMetadata(event).length +
      delimitedSize(event.customMetadata.length) +
      delimitedSize(event.data.length)
    );
  }

  private readEventSize(recordedSize: number, index: number): number {
    return delimitedSize(recordedSize) + 1 + varintSize(this.firstPosition + index);
  }

  private sharedMetadata({ isJson }: ProposedEvent): Buffer {
    return isJson ? this.stamp.json : this.stamp.binary;
  }

  private writeEvent(target: Buffer, start: number, event: ProposedEvent, index: number): number {
    const position = this.firstPosition + index;
    const recordedSize = this.recordedSizes[index] ?? 0;
    const readEventSize = this.readEventSize(recordedSize, index);
    target[start] = 0;
    let at = target.writeUInt32BE(delimitedSize(readEventSize), start + 1);
    at = writeHead(target, at, 0x0a, readEventSize);
    at = writeHead(target, at, 0x0a, recordedSize);
    at += idField.copy(target, at);
    at += target.write(event.id, at, 'latin1');
    at += this.stream.copy(target, at);
    at = writeHead(target, at, 0x18, this.firstRevision + index);
    at = writeHead(target, at, 0x20, position);
    at = writeHead(target, at, 0x28, position);
    const typeSize = Buffer.byteLength(event.type);
    at = writeHead(target, at, 0x32, typeKey.length + delimitedSize(typeSize));
    at += typeKey.copy(target, at);
    at = writeHead(target, at, 0x12, typeSize);
    at += target.write(event.type, at);
    at += this.sharedMetadata(event).copy(target, at);
    at = writeHead(target, at, 0x3a, event.customMetadata.length);
    at += event.customMetadata.copy(target, at);
    at = writeHead(target, at, 0x42, event.data.length);
    at += event.data.copy(target, at);
    return writeHead(target, at, 0x18, position);
  }
}

/** A one-byte tag, then a varint: either the value itself or the length of what follows. */
function writeHead(target: Buffer, at: number, tag: number, value: number): number {
  target[at] = tag;
  return writeVarint(target, value, at + 1);
}

/** Size of a field with a one-byte tag and a length. */
function delimitedSize(contentSize: number): number {
  return 1 + varintSize(contentSize) + contentSize;
}

function mapEntry(key: string, value: string): Buffer {
  return delimitedField(6, message(delimitedField(1, key), delimitedField(2, value)));
}

/** Splits stored frames. `decode` is left to {@link decodeEventFrame}, because most reads need none of it. */
export function splitFrames(frames: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < frames.length;) {
    const end = at + frameHeaderSize + frames.readUInt32BE(at + 1);
    parts.push(frames.subarray(at, end));
    at = end;
  }
  return parts;
}

export function decodeEventFrame(frame: Buffer): EventFrame {
  let id = '';
  let type = '';
  let createdAtMs = 0;
  const event = recordedEvent(frame);
  while (event.next()) {
    if (event.field === 1) id = readUuid(event.message()).text;
    else if (event.field === 6) {
      const { key, value } = readMapEntry(event.message());
      if (key === 'type') type = value;
      else if (key === 'created') createdAtMs = Number(value.slice(0, -4));
    } else if (event.field > 6) break;
  }
  return { frame, id, type, createdAtMs };
}

export function eventData(frame: Buffer): Buffer {
  const event = recordedEvent(frame);
  while (event.next()) if (event.field === 8) return event.bytes();
  return Buffer.alloc(0);
}

/** The same frame with the id as two 64-bit numbers, for clients that ask for `uuid_option.structured`. */
export function withStructuredId(frame: Buffer, position: number): Buffer {
  const event = recordedEvent(frame);
  if (!event.next() || event.field !== 1) return frame;
  const id = readUuid(event.message()).text;
  const rest = frame.subarray(
    recordedEventStart(frame) + idField.length + idTextSize,
    recordedEventEnd(frame),
  );
  const recorded = message(delimitedField(1, uuidMessage(id, 'structured')), rest);
  return framed(delimitedField(1, message(delimitedField(1, recorded), varintField(3, position))));
}

/** The `RecordedEvent` of a stored frame. */
export function recordedEventOf(frame: Buffer): Buffer {
  return frame.subarray(recordedEventStart(frame), recordedEventEnd(frame));
}

function recordedEvent(frame: Buffer): ProtobufReader {
  return new ProtobufReader(frame, recordedEventStart(frame), recordedEventEnd(frame));
}

function recordedEventStart(frame: Buffer): number {
  const readEvent = behindVarint(frame, frameHeaderSize + 1);
  return behindVarint(frame, readEvent + 1);
}

function recordedEventEnd(frame: Buffer): number {
  const lengthAt = behindVarint(frame, frameHeaderSize + 1) + 1;
  let length = 0;
  for (let at = lengthAt, scale = 1; ; at++, scale *= 128) {
    const byte = frame[at] ?? 0;
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) return at + 1 + length;
  }
}

function behindVarint(frame: Buffer, at: number): number {
  let next = at;
  while ((frame[next] ?? 0) >= 0x80) next += 1;
  return next + 1;
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
