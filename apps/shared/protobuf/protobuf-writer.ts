import { uint63Max } from './protobuf-reader';

const wireTypeDelimited = 2;

/** Bytes a varint takes. `value` is a non-negative integer below 2^53, or {@link uint63Max} which is written as 2^63 - 1. */
export function varintSize(value: number): number {
  if (value >= uint63Max) return 9;
  let size = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) size += 1;
  return size;
}

/** Writes a varint at `at` and returns the offset behind it. */
export function writeVarint(target: Buffer, value: number, at: number): number {
  if (value >= uint63Max) {
    target.fill(0xff, at, at + 8);
    target[at + 8] = 0x7f;
    return at + 9;
  }
  let rest = value;
  let next = at;
  while (rest >= 128) {
    target[next++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  target[next++] = rest;
  return next;
}

/** One part of a message: a field that is already encoded. Parts are joined by {@link message}. */
export function varintField(field: number, value: number): Buffer {
  const tag = field * 8;
  const part = Buffer.allocUnsafe(varintSize(tag) + varintSize(value));
  writeVarint(part, value, writeVarint(part, tag, 0));
  return part;
}

export function int64Field(field: number, value: bigint): Buffer {
  const bytes = [field * 8];
  let rest = BigInt.asUintN(64, value);
  for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

/** A bytes, string or message field. */
export function delimitedField(field: number, content: Buffer | string): Buffer {
  const body = typeof content === 'string' ? Buffer.from(content) : content;
  const tag = field * 8 + wireTypeDelimited;
  const head = Buffer.allocUnsafe(varintSize(tag) + varintSize(body.length));
  writeVarint(head, body.length, writeVarint(head, tag, 0));
  return Buffer.concat([head, body]);
}

export function message(...parts: Buffer[]): Buffer {
  return Buffer.concat(parts);
}

export const emptyMessage = Buffer.alloc(0);
