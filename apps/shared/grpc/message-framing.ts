/** Whether it is compressed, and the length: what goes before every message of a gRPC call. */
export const frameHeaderSize = 5;

/** Puts the header (uncompressed, length) before a message. */
export function framed(body: Buffer): Buffer {
  const header = Buffer.alloc(frameHeaderSize);
  header.writeUInt32BE(body.length, 1);
  return Buffer.concat([header, body]);
}

/** A message that was announced and is not taken in. */
export class UnacceptableMessage extends Error {
  override readonly name = 'UnacceptableMessage';

  constructor(
    readonly reason: 'compressed' | 'oversized',
    message: string,
  ) {
    super(message);
  }
}

/** Cuts received bytes into gRPC messages. Messages that lie within one chunk are views of it, not copies. */
export class MessageAssembler {
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private wantedBytes = frameHeaderSize;

  /** `messageBytesMax` is without the header. */
  constructor(private readonly messageBytesMax: number) {}

  /** False while a message has come in part. */
  get isBetweenMessages(): boolean {
    return this.pendingBytes === 0;
  }

  /** Throws {@link UnacceptableMessage} for a compressed or an oversized message. */
  push(chunk: Buffer): Buffer[] {
    this.pending.push(chunk);
    this.pendingBytes += chunk.length;
    if (this.pendingBytes < this.wantedBytes) return [];
    const bytes = this.pending.length === 1 ? chunk : Buffer.concat(this.pending, this.pendingBytes);
    const messages: Buffer[] = [];
    let at = 0;
    this.wantedBytes = frameHeaderSize;
    while (bytes.length - at >= frameHeaderSize) {
      const size = this.checkedSize(bytes, at);
      if (bytes.length - at - frameHeaderSize < size) {
        this.wantedBytes = frameHeaderSize + size;
        break;
      }
      messages.push(bytes.subarray(at + frameHeaderSize, at + frameHeaderSize + size));
      at += frameHeaderSize + size;
    }
    this.pending = at < bytes.length ? [bytes.subarray(at)] : [];
    this.pendingBytes = bytes.length - at;
    return messages;
  }

  private checkedSize(bytes: Buffer, at: number): number {
    if (bytes[at] !== 0)
      throw new UnacceptableMessage('compressed', 'Compressed messages are not supported.');
    const size = bytes.readUInt32BE(at + 1);
    if (size > this.messageBytesMax)
      throw new UnacceptableMessage(
        'oversized',
        `Received message exceeds the maximum configured message size (${this.messageBytesMax} bytes).`,
      );
    return size;
  }
}
