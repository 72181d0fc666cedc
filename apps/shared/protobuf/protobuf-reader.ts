/** Bytes that are not a protobuf message. The caller answers INVALID_ARGUMENT. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

/**
 * Stands for every unsigned 64-bit value at or above 2^63 - 1, which is what the protocol calls "the largest revision"
 * (and "all" as a count). As a double it is 2^63, so it compares greater than every revision or position that exists.
 */
export const uint63Max = 2 ** 63;

/**
 * Walks the fields of one protobuf message without building objects (protobuf encoding guide, wire types 0, 1, 2, 5).
 * Usage: `while (reader.next()) switch (reader.field) { case 1: reader.varint(); ... }`; a field nobody asked for is
 * skipped by the following `next()`. Byte fields are views of the input, never copies.
 */
export class ProtobufReader {
  field = 0;
  private wireType = 0;
  private consumed = true;
  private at: number;

  constructor(
    private readonly input: Buffer,
    start = 0,
    private readonly end: number = input.length,
  ) {
    this.at = start;
  }

  next(): boolean {
    if (!this.consumed) this.skip();
    if (this.at >= this.end) return false;
    const tag = this.readVarint();
    this.field = Math.floor(tag / 8);
    this.wireType = tag % 8;
    this.consumed = false;
    return true;
  }

  /** Unsigned; values from 2^63 - 1 up become {@link uint63Max}, others above 2^53 lose their low bits. */
  varint(): number {
    if (this.wireType !== 0) throw new WireError(`field ${this.field} is not a varint`);
    this.consumed = true;
    return this.readVarint();
  }

  /** Unsigned 64-bit, exact. */
  uint64(): bigint {
    const at = this.at;
    const value = this.varint();
    if (value <= Number.MAX_SAFE_INTEGER) return BigInt(value);
    this.at = at;
    return BigInt.asUintN(64, this.int64());
  }

  /** Signed 64-bit, exact. */
  int64(): bigint {
    if (this.wireType !== 0) throw new WireError(`field ${this.field} is not a varint`);
    this.consumed = true;
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.byteAt();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw new WireError('varint longer than ten bytes');
  }

  bool(): boolean {
    return this.varint() !== 0;
  }

  bytes(): Buffer {
    const { start, end } = this.delimited();
    return this.input.subarray(start, end);
  }

  string(): string {
    const { start, end } = this.delimited();
    return this.input.toString('utf8', start, end);
  }

  message(): ProtobufReader {
    const { start, end } = this.delimited();
    return new ProtobufReader(this.input, start, end);
  }

  private delimited(): { start: number; end: number } {
    if (this.wireType !== 2) throw new WireError(`field ${this.field} is not length-delimited`);
    this.consumed = true;
    const length = this.readVarint();
    const start = this.at;
    if (length > this.end - start) throw new WireError(`field ${this.field} runs past its message`);
    this.at = start + length;
    return { start, end: this.at };
  }

  private skip(): void {
    switch (this.wireType) {
      case 0:
        this.varint();
        return;
      case 1:
        return this.advance(8);
      case 2:
        this.delimited();
        return;
      case 5:
        return this.advance(4);
      default:
        throw new WireError(`wire type ${this.wireType} is not supported`);
    }
  }

  private advance(byteCount: number): void {
    if (byteCount > this.end - this.at) throw new WireError(`field ${this.field} runs past its message`);
    this.consumed = true;
    this.at += byteCount;
  }

  private byteAt(): number {
    const byte = this.at < this.end ? this.input[this.at] : undefined;
    if (byte === undefined) throw new WireError('varint runs past its message');
    this.at += 1;
    return byte;
  }

  private readVarint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.byteAt();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value >= uint63Max - 1024 ? uint63Max : value;
      scale *= 128;
    }
    throw new WireError('varint longer than ten bytes');
  }
}
