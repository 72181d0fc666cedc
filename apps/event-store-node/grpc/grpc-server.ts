import {
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from '../../shared/process/log';
import type { Authenticate } from './credentials';
import { GrpcCall } from './grpc-call';
import { keepAlive, keepAliveDefault, type KeepAlive } from './keep-alive';
import { GrpcError, grpcCode, unauthenticatedError, unavailableError } from './grpc-status';

/** Handles one call to its end. What it throws becomes the status; it ends the call itself otherwise. */
export type GrpcHandler = (call: GrpcCall) => Promise<void> | void;
/** By path: `/package.Service/Method`. */
export type GrpcHandlers = Readonly<Record<string, GrpcHandler>>;

const concurrentStreamsMax = 100;
const streamWindowBytes = 1024 * 1024;
const connectionWindowBytes = 4 * 1024 * 1024;

export interface GrpcServerOptions {
  /** PEM. `undefined`: HTTP/2 in the clear, begun with prior knowledge (RFC 9113 §3.3). */
  readonly tls: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly authenticate: Authenticate;
  readonly keepAlive?: KeepAlive;
}

/** A gRPC server for a fixed set of methods, on node:http2 alone. */
export class GrpcServer {
  private readonly server: Http2Server | Http2SecureServer;
  private readonly sessions = new Set<ServerHttp2Session>();
  private readonly calls = new Set<GrpcCall>();
  private stopping = false;

  constructor(
    private readonly handlers: GrpcHandlers,
    private readonly log: Logger,
    private readonly options: GrpcServerOptions,
  ) {
    const settings = { maxConcurrentStreams: concurrentStreamsMax, initialWindowSize: streamWindowBytes };
    // Through ALPN a secure client learns that this is HTTP/2 (RFC 9113 §3.2).
    this.server =
      options.tls === undefined
        ? createServer({ settings })
        : createSecureServer({ settings, ...options.tls, ALPNProtocols: ['h2'] });
    this.server.on('connection', (socket: Socket) => socket.setNoDelay(true));
    this.server.on('session', (session) => this.adopt(session));
    this.server.on('stream', (stream, headers) => this.accept(stream, headers));
    this.server.on('sessionError', (error) => this.log.debug({ err: error }, 'connection failed'));
    this.server.on('tlsClientError', (error) => this.log.debug({ err: error }, 'TLS handshake failed'));
  }

  /** Resolves to the port. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, () => resolve((this.server.address() as AddressInfo).port));
    });
  }

  /** Refuses new calls and connections; those under way go on until {@link close}. */
  stopAccepting(): void {
    this.stopping = true;
    this.server.close();
  }

  /** Ends every open call with UNAVAILABLE and closes the connections. */
  async close(): Promise<void> {
    for (const call of this.calls) call.fail(unavailableError());
    await Promise.all([...this.sessions].map(closeSession));
  }

  private adopt(session: ServerHttp2Session): void {
    this.sessions.add(session);
    session.on('close', () => this.sessions.delete(session));
    session.setLocalWindowSize(connectionWindowBytes);
    keepAlive(session, this.options.keepAlive ?? keepAliveDefault);
  }

  private accept(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const path = String(headers[':path']);
    const handler = this.handlers[path];
    const access = this.options.authenticate(headers.authorization);
    const call = new GrpcCall(stream, headers, access);
    this.calls.add(call);
    call.signal.addEventListener('abort', () => this.calls.delete(call));
    if (this.stopping) return call.fail(unavailableError());
    if (access === 'rejected') return call.fail(unauthenticatedError());
    if (handler === undefined) return this.refuse(call, stream, headers);
    void this.run(handler, call, path);
  }

  private async run(handler: GrpcHandler, call: GrpcCall, path: string): Promise<void> {
    try {
      await handler(call);
    } catch (error) {
      if (!(error instanceof GrpcError) && !call.signal.aborted)
        this.log.warn({ err: error, method: path }, 'call failed');
      call.fail(error);
    }
  }

  /** UNIMPLEMENTED to a gRPC client, as a node of 24.2.0 says it of methods and services; to anyone else 404. */
  private refuse(call: GrpcCall, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (headers['content-type']?.startsWith('application/grpc') === true)
      return call.fail(new GrpcError(grpcCode.unimplemented, 'Service or method is unimplemented.'));
    stream.respond({ ':status': 404 }, { endStream: true });
  }
}

const sessionCloseMs = 1_500;

function closeSession(session: ServerHttp2Session): Promise<void> {
  return new Promise((resolve) => {
    const giveUp = setTimeout(() => session.destroy(), sessionCloseMs);
    session.once('close', () => {
      clearTimeout(giveUp);
      resolve();
    });
    session.close();
  });
}
