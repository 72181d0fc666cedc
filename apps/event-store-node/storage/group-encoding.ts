import { createdStamp, EventFramesEncoder } from '../wire/event-frames';
import type { LogRow, PlannedRow } from '../log/log-row';
import { uint63Max } from '../../shared/protobuf/protobuf-reader';

/** The rows of one group, encoded once: for PostgreSQL, for the readers of the tail, and for whoever looks after a failure. */
export interface EncodedGroup {
  /** `frames` are views of {@link copyData}. */
  readonly rows: readonly LogRow[];
  /** A CopyData and a CopyDone message (PostgreSQL protocol 3.0) with the rows in COPY's binary format. */
  readonly copyData: Buffer;
}

/** COPY's signature, no flags, no header extension. */
const copyHeader = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
const copyTrailer = Buffer.from([0xff, 0xff]);
const copyDone = Buffer.from([0x63, 0, 0, 0, 4]);
const messageHeadSize = 5;
const columnCount = 5;
/** Field count, five lengths, two bigints and one integer. */
const rowFixedSize = 2 + columnCount * 4 + 8 + 8 + 4;

/**
 * Encodes a group into one buffer that goes to the socket as it is: events are copied once, from the received chunk to
 * here, and never again.
 */
export function encodeGroup(planned: readonly PlannedRow[], createdAtMs: number): EncodedGroup {
  const stamp = createdStamp(createdAtMs);
  const parts = planned.map((row) => ({
    row,
    frames: new EventFramesEncoder(row.streamName, row.events, row.revision, row.position, stamp),
  }));
  const rowsSize = parts.reduce(
    (sum, { row, frames }) => sum + rowFixedSize + Buffer.byteLength(row.streamName) + frames.byteCount,
    0,
  );
  const messageSize = messageHeadSize + copyHeader.length + rowsSize + copyTrailer.length;
  const copyData = Buffer.allocUnsafe(messageSize + copyDone.length);
  copyData[0] = 0x64;
  let at = copyData.writeUInt32BE(messageSize - 1, 1);
  at += copyHeader.copy(copyData, at);
  const rows = parts.map(({ row, frames }) => {
    const start = writeColumns(copyData, at, row, frames.byteCount);
    at = frames.writeTo(copyData, start);
    const { position, streamName, revision, events } = row;
    return { position, streamName, revision, count: events.length, frames: copyData.subarray(start, at) };
  });
  at += copyTrailer.copy(copyData, at);
  copyDone.copy(copyData, at);
  return { rows, copyData };
}

/** Everything of a row up to its frames; returns the offset where those begin. */
function writeColumns(target: Buffer, start: number, row: PlannedRow, framesSize: number): number {
  let at = target.writeInt16BE(columnCount, start);
  at = writeBigint(target, at, row.position);
  const nameSize = target.write(row.streamName, at + 4);
  target.writeInt32BE(nameSize, at);
  at = writeBigint(target, at + 4 + nameSize, row.revision);
  at = target.writeInt32BE(4, at);
  at = target.writeInt32BE(row.events.length, at);
  return target.writeInt32BE(framesSize, at);
}

function writeBigint(target: Buffer, start: number, value: number): number {
  const at = target.writeInt32BE(8, start);
  if (value >= uint63Max) return target.writeUInt32BE(0xffffffff, target.writeUInt32BE(0x7fffffff, at));
  return target.writeUInt32BE(value % 2 ** 32, target.writeUInt32BE(Math.floor(value / 2 ** 32), at));
}
