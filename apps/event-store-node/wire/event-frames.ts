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

export const frameHeaderSize = 5;
const idField = Buffer.from([0x0a, 38, 0x12, 36]);
const contentTypes = {
  json: mapEntry('content-type', 'application/json'),
  binary: mapEntry('content-type', 'application/octet-stream'),
};
const typeKey = Buffer.concat([Buffer.from([0x0a, 4]), Buffer.from('type')]);

/**
 * Encodes the events of one append as finished gRPC frames of `ReadResp { 1 ReadEvent { 1 RecordedEvent, 3 commit } }`, end
 * to end in one buffer. A read then sends stored bytes and encodes nothing (event-store.md §2.2, §4.1).
 * Event i gets revision `firstRevision + i` and position `firstPosition + i`.
 */
export function encodeEventFrames(
  streamName: string,
  events: readonly ProposedEvent[],
  firstRevision: number,
  firstPosition: number,
  createdAtMs: number,
): Buffer {
  const name = Buffer.from(streamName);
  const stream = delimitedField(2, delimitedField(3, name));
  // Ticks of 100 ns exceed 2^53, so they are put together as text.
  const created = mapEntry('created', `${createdAtMs}0000`);
  const plans = events.map((event, index) =>
    planEvent(event, stream, created, firstRevision + index, firstPosition + index),
  );
  const target = Buffer.allocUnsafe(plans.reduce((sum, plan) => sum + plan.frameSize, 0));
  plans.reduce((at, plan) => writeEvent(target, at, plan), 0);
  return target;
}

interface EventPlan {
  readonly event: ProposedEvent;
  readonly typeText: Buffer;
  readonly fixed: readonly Buffer[];
  readonly revision: number;
  readonly position: number;
  readonly recordedSize: number;
  readonly readEventSize: number;
  readonly frameSize: number;
}

function planEvent(
  event: ProposedEvent,
  stream: Buffer,
  created: Buffer,
  revision: number,
  position: number,
): EventPlan {
  const typeText = Buffer.from(event.type);
  const fixed = [event.isJson ? contentTypes.json : contentTypes.binary, created];
  const numbersSize = 3 + varintSize(revision) + 2 * varintSize(position);
  const recordedSize =
    idField.length +
    36 +
    stream.length +
    numbersSize +
    delimitedSize(typeKey.length + delimitedSize(typeText.length)) +
    fixed.reduce((sum, part) => sum + part.length, 0) +
    delimitedSize(event.customMetadata.length) +
    delimitedSize(event.data.length);
  const readEventSize = delimitedSize(recordedSize) + 1 + varintSize(position);
  const frameSize = frameHeaderSize + delimitedSize(readEventSize);
  return {
    event,
    typeText,
    fixed: [stream, ...fixed],
    revision,
    position,
    recordedSize,
    readEventSize,
    frameSize,
  };
}

function writeEvent(target: Buffer, start: number, plan: EventPlan): number {
  const { event, position } = plan;
  target[start] = 0;
  let at = target.writeUInt32BE(plan.frameSize - frameHeaderSize, start + 1);
  at = writeHead(target, at, 0x0a, plan.readEventSize);
  at = writeHead(target, at, 0x0a, plan.recordedSize);
  at += idField.copy(target, at);
  at += target.write(event.id, at, 36, 'latin1');
  const [stream, ...rest] = plan.fixed;
  if (stream !== undefined) at += stream.copy(target, at);
  at = writeHead(target, at, 0x18, plan.revision);
  at = writeHead(target, at, 0x20, position);
  at = writeHead(target, at, 0x28, position);
  at = writeHead(target, at, 0x32, typeKey.length + delimitedSize(plan.typeText.length));
  at += typeKey.copy(target, at);
  at = writeHead(target, at, 0x12, plan.typeText.length);
  at += plan.typeText.copy(target, at);
  for (const part of rest) at += part.copy(target, at);
  at = writeHead(target, at, 0x3a, event.customMetadata.length);
  at += event.customMetadata.copy(target, at);
  at = writeHead(target, at, 0x42, event.data.length);
  at += event.data.copy(target, at);
  return writeHead(target, at, 0x18, position);
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
  const rest = frame.subarray(recordedEventStart(frame) + idField.length + 36, recordedEventEnd(frame));
  const recorded = message(delimitedField(1, uuidMessage(id, 'structured')), rest);
  const body = delimitedField(1, message(delimitedField(1, recorded), varintField(3, position)));
  const header = Buffer.alloc(frameHeaderSize);
  header.writeUInt32BE(body.length, 1);
  return message(header, body);
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
