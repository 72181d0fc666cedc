import { frameHeaderSize } from '../wire/event-frames';
import { GrpcError, grpcCode } from './grpc-status';

/** Cuts received bytes into gRPC messages. Messages that lie within one chunk are views of it, not copies. */
export class MessageAssembler {
  private pending: Buffer[] = [];
  private pendingBytes = 0;
  private wantedBytes = frameHeaderSize;

  constructor(private readonly messageBytesMax: number) {}

  /** False while a message has come in part. */
  get isBetweenMessages(): boolean {
    return this.pendingBytes === 0;
  }

  /** Throws {@link GrpcError} for a compressed or an oversized message. */
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
      throw new GrpcError(grpcCode.unimplemented, 'Compressed messages are not supported.');
    const size = bytes.readUInt32BE(at + 1);
    if (size > this.messageBytesMax)
      throw new GrpcError(
        grpcCode.resourceExhausted,
        `Received message exceeds the maximum configured message size (${this.messageBytesMax} bytes).`,
      );
    return size;
  }
}
