import { once } from 'node:events';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { constants } from 'node:http2';
import type { Access } from './credentials';
import { MessageAssembler, UnacceptableMessage } from '../../shared/grpc/message-framing';
import { WireError } from '../../shared/protobuf/protobuf-reader';
import { asHeader, GrpcError, grpcCode } from './grpc-status';

/** As a real node (event-store.md §4, Append). */
const messageBytesMax = 16 * 1024 * 1024;
const answerHeaders = { ':status': 200, 'content-type': 'application/grpc' };
const timeoutUnitsMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** One gRPC call on one HTTP/2 stream: messages in, frames out with back-pressure, and exactly one status at the end. */
export class GrpcCall {
  /** Aborted when the client cancels, the connection breaks or the call has ended. */
  readonly signal: AbortSignal;
  private readonly closed = new AbortController();
  private readonly assembler = new MessageAssembler(messageBytesMax);
  private outgoing: Buffer[] = [];
  private finished = false;

  constructor(
    private readonly stream: ServerHttp2Stream,
    private readonly headers: IncomingHttpHeaders,
    readonly access: Access,
  ) {
    this.signal = this.closed.signal;
    stream.on('close', () => this.closed.abort());
    // The reason is of no use to anyone: the call is over for both sides.
    stream.on('error', () => this.closed.abort());
  }

  /** Milliseconds since 1970, from `grpc-timeout`; Infinity without one. */
  get deadlineAtMs(): number {
    const match = /^(\d{1,8})([HMSmun])$/.exec(String(this.headers['grpc-timeout'] ?? ''));
    if (match === null) return Infinity;
    return Date.now() + Number(match[1]) * (timeoutUnitsMs[match[2] ?? ''] ?? 0);
  }

  /**
   * The address the client reached us by, for gossip: by the name it used, since a certificate is valid for names, and
   * ports may be forwarded.
   */
  get endpoint(): { readonly address: string; readonly port: number } {
    const named = /^(?:\[([\da-fA-F:.]+)\]|([^:]+)):(\d{1,5})$/.exec(this.headers[':authority'] ?? '');
    if (named !== null) return { address: named[1] ?? named[2] ?? '', port: Number(named[3]) };
    const socket = this.stream.session?.socket;
    return { address: socket?.localAddress ?? '127.0.0.1', port: socket?.localPort ?? 0 };
  }

  /** Calls `onMessage` for each message and `onEnd` at half-close. An exception of either ends the call. */
  listen(onMessage: (body: Buffer) => void, onEnd: () => void): void {
    this.stream.on('data', (chunk: Buffer) =>
      this.guard(() => {
        for (const body of this.assembler.push(chunk)) onMessage(body);
      }),
    );
    this.stream.on('end', () => this.guard(onEnd));
  }

  /**
   * All messages of a call that answers once they are complete. Throws {@link GrpcError} when the client broke off before
   * its half-close: what has come until then may be a part only.
   */
  async messages(): Promise<Buffer[]> {
    const bodies: Buffer[] = [];
    // A stream destroyed because of a message we refuse could not carry the status that says so.
    for await (const chunk of this.stream.iterator({ destroyOnReturn: false }))
      bodies.push(...this.assembler.push(chunk as Buffer));
    if (!this.assembler.isBetweenMessages)
      throw new GrpcError(grpcCode.internal, 'The request ends within a message.');
    return bodies;
  }

  /** The first message of a call that has only one. */
  async message(): Promise<Buffer> {
    const [body] = await this.messages();
    if (body === undefined) throw new GrpcError(grpcCode.invalidArgument, 'The request has no message.');
    return body;
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  /** Sends frames without waiting; those of one turn of the event loop leave in one write. */
  push(frame: Buffer): void {
    if (this.outgoing.length === 0) setImmediate(() => this.flush());
    this.outgoing.push(frame);
  }

  /** Sends frames and waits while the client is not reading. */
  async write(frames: Buffer): Promise<void> {
    if (this.signal.aborted) return;
    this.respond();
    if (!this.stream.write(frames))
      await once(this.stream, 'drain', { signal: this.signal }).catch(() => undefined);
  }

  /** Ends with OK. */
  end(): void {
    this.finish({ 'grpc-status': '0' });
  }

  fail(error: unknown): void {
    const { code, message, trailers } = asGrpcError(error);
    this.finish({ ...trailers, 'grpc-status': String(code), 'grpc-message': asHeader(message) });
  }

  private guard(action: () => void): void {
    if (this.finished) return;
    try {
      action();
    } catch (error) {
      this.fail(error);
    }
  }

  private flush(): void {
    const frames = this.outgoing;
    this.outgoing = [];
    if (this.signal.aborted || this.finished || frames.length === 0) return;
    this.respond();
    this.stream.write(frames.length === 1 ? frames[0] : Buffer.concat(frames));
  }

  private respond(): void {
    if (!this.stream.headersSent) this.stream.respond(answerHeaders, { waitForTrailers: true });
  }

  private finish(trailers: Record<string, string>): void {
    if (this.finished) return;
    this.flush();
    this.finished = true;
    if (this.stream.destroyed || this.stream.closed) return;
    if (!this.stream.headersSent) {
      this.stream.respond({ ...answerHeaders, ...trailers }, { endStream: true });
      return this.discardInput();
    }
    this.stream.once('wantTrailers', () => {
      this.stream.sendTrailers(trailers);
      this.discardInput();
    });
    this.stream.end();
  }

  /** A client that is still sending must not keep the stream open: RST_STREAM(NO_ERROR) as HTTP/2 §8.1 allows. */
  private discardInput(): void {
    this.stream.resume();
    // A reset in the same turn would overtake the trailers, and the status with them.
    setImmediate(() => {
      if (!this.stream.readableEnded) this.stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }
}

const unacceptableCodes = {
  compressed: grpcCode.unimplemented,
  oversized: grpcCode.resourceExhausted,
} as const;

function asGrpcError(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error;
  if (error instanceof UnacceptableMessage)
    return new GrpcError(unacceptableCodes[error.reason], error.message);
  if (error instanceof WireError) return new GrpcError(grpcCode.invalidArgument, error.message);
  return new GrpcError(grpcCode.unknown, 'Exception was thrown by handler.');
}
