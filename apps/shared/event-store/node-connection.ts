import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { once } from 'node:events';
import { CallFailed, CallTimedOut, grpcUnavailable } from './call-errors';
import type { ConnectionSettings, NodeAddress } from './connection-settings';
import { frameHeaderSize, framed, MessageAssembler } from '../grpc/message-framing';
import { SilenceWatch } from './silence-watch';

/**
 * How far a server may run ahead of us, per call and in all. The default of HTTP/2, 64 KiB, stalls a bulk read at every
 * round trip (event-store.md §3). A slow consumer makes us hold three times as much: what waits, its copy in one piece, and
 * the piece before.
 */
const windowBytes = 1024 * 1024;
/** An event of up to 16 MiB, as the official client has it. */
const messageBytesMax = 17 * 1024 * 1024 - frameHeaderSize;

export interface CallOptions {
  readonly path: string;
  readonly request: Buffer;
  readonly requiresLeader?: boolean;
  /** How long the server may keep us waiting for the first message, and for each further one. */
  readonly silenceMs: number;
  /** The server may have nothing to say after its first message: a subscription. */
  readonly isOpenEnded?: boolean;
}

/**
 * One HTTP/2 connection to one node, for gRPC calls with one request and many answers. Messages come as views of the
 * received bytes, undecoded and many at a time: that, and the window, is why this stands beside the official client
 * (docs/adr/0012).
 */
export class NodeConnection {
  private readonly session: ClientHttp2Session;

  constructor(
    readonly settings: ConnectionSettings,
    node: NodeAddress,
  ) {
    const { tls } = settings;
    const session = connect(`${tls ? 'https' : 'http'}://${hostOf(node)}`, {
      ...tls,
      settings: { initialWindowSize: windowBytes, enablePush: false },
    });
    session.once('connect', () => {
      if (!session.destroyed) session.setLocalWindowSize(windowBytes);
    });
    // Every call on it ends with the same error, and a call is what somebody waits for.
    session.on('error', () => undefined);
    this.session = session;
  }

  /**
   * The messages of the answer, until the server ends it with status OK.
   * Throws {@link CallFailed} for any other end, also when there is no status at all: a call that is cut off never looks
   * like one that has ended. {@link CallTimedOut} for silence.
   */
  async *call({
    path,
    request,
    silenceMs,
    requiresLeader = false,
    isOpenEnded = false,
  }: CallOptions): AsyncGenerator<Buffer[]> {
    if (this.session.destroyed) throw cutOff();
    const stream = this.session.request(this.headers(path, requiresLeader));
    const status = statusOf(stream);
    const assembler = new MessageAssembler(messageBytesMax);
    const silence = new SilenceWatch(silenceMs, () => stream.destroy(new CallTimedOut(silenceMs)));
    stream.end(framed(request));
    try {
      for await (const chunk of stream) {
        const messages = assembler.push(chunk as Buffer);
        if (messages.length === 0) continue;
        silence.pause();
        yield messages;
        if (!isOpenEnded) silence.resume();
      }
      if (!stream.closed) await once(stream, 'close');
    } catch (error) {
      if (error instanceof CallTimedOut || error instanceof CallFailed) throw error;
      throw status.failure() ?? cutOff(error);
    } finally {
      silence.stop();
      stream.close(constants.NGHTTP2_CANCEL);
    }
    const failure = status.failure();
    if (failure || !status.isOk()) throw failure ?? cutOff();
  }

  /** Ends what is under way on it, too, with `error` where one is given. */
  close(error?: unknown): void {
    this.session.destroy(error instanceof Error ? error : undefined);
  }

  private headers(path: string, requiresLeader: boolean): Record<string, string> {
    const { authorization, connectionName } = this.settings;
    return {
      ':method': 'POST',
      ':path': path,
      te: 'trailers',
      'content-type': 'application/grpc',
      'user-agent': 'mailfold',
      ...(connectionName === null ? {} : { 'connection-name': connectionName }),
      ...(authorization === null ? {} : { authorization }),
      ...(requiresLeader ? { 'requires-leader': 'true' } : {}),
    };
  }
}

function hostOf({ address, port }: NodeAddress): string {
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}

function cutOff(cause?: unknown): CallFailed {
  return new CallFailed(grpcUnavailable, 'the connection to the event store broke off', { cause });
}

/** The gRPC status comes in the trailers, or in the headers of an answer that is nothing else. */
function statusOf(stream: ClientHttp2Stream): { isOk(): boolean; failure(): CallFailed | null } {
  let failure: CallFailed | null = null;
  let isOk = false;
  const read = (headers: Record<string, unknown>): void => {
    const code = headers['grpc-status'];
    if (code === '0') isOk = true;
    else if (typeof code === 'string') failure = CallFailed.fromTrailers(Number(code), headers);
  };
  stream.on('response', (headers) => {
    read(headers);
    if (headers[':status'] !== 200)
      failure ??= new CallFailed(grpcUnavailable, `the server answers HTTP ${String(headers[':status'])}`);
  });
  stream.on('trailers', read);
  return { isOk: () => isOk, failure: () => failure };
}
