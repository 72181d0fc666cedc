import {
  connect,
  constants,
  createSecureServer,
  createServer,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { Transform } from 'node:stream';
import { framed } from '../../apps/shared/grpc/message-framing';

/** One gRPC call that went, or goes, through the proxy. */
export interface ProxiedCall {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Common name of the certificate the client has shown. */
  readonly clientCertificate: string | null;
  /** From now on nothing the node answers comes through; the stream stays open. */
  holdAnswers(): void;
  /** From now on nothing the client sends comes through. */
  holdRequest(): void;
  /** Answers it with one message and status OK, instead of the node. */
  answer(body: Buffer): void;
  /** Ends it with a gRPC status instead of the node's own. */
  fail(code: number, message: string, trailers?: Record<string, string>): void;
}

/** A real node behind a wire that can be cut, held and listened to: HTTP/2, call by call. */
export interface GrpcProxy {
  readonly port: number;
  /** All calls so far, whose path ends like this. */
  calls(method: string): ProxiedCall[];
  /** Sees every call before it is passed on. */
  onCall: (call: ProxiedCall) => void;
  /** Bytes of answers handed to clients. */
  answeredBytes(): number;
  /** Connections that are open. */
  connections(): number;
  /** The most calls that were open at one time on one connection. */
  callsPerConnectionMax(): number;
  /** Cuts every connection. */
  breakOff(): void;
  stop(): Promise<void>;
}

export interface GrpcProxyOptions {
  /** The port of the node. */
  readonly target: number;
  readonly tls?: SecureServerOptions;
}

const forwardedHeaders = [':method', ':path', 'content-type', 'te', 'connection-name', 'requires-leader'];

export async function startGrpcProxy({ target, tls }: GrpcProxyOptions): Promise<GrpcProxy> {
  const server = tls ? createSecureServer(tls) : createServer();
  const sockets = new Set<Socket>();
  const calls: ProxiedCall[] = [];
  const upstream = new Upstream(target);
  let answeredBytes = 0;
  let openMax = 0;
  const proxy = {
    onCall: (): void => undefined,
  } as Pick<GrpcProxy, 'onCall'>;
  server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => undefined));
  });
  server.on('session', (session) => {
    let open = 0;
    session.on('error', () => undefined);
    session.on('stream', (stream, headers) => {
      openMax = Math.max(openMax, ++open);
      stream.on('close', () => open--).on('error', () => undefined);
      const call = passedOn(stream, headers, upstream, (bytes) => (answeredBytes += bytes));
      calls.push(call);
      proxy.onCall(call);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const breakOff = (): void => sockets.forEach((socket) => socket.destroy());
  return Object.assign(proxy, {
    port: (server.address() as AddressInfo).port,
    calls: (method: string) => calls.filter(({ path }) => path.endsWith(method)),
    answeredBytes: () => answeredBytes,
    connections: () => sockets.size,
    callsPerConnectionMax: () => openMax,
    breakOff,
    stop: async () => {
      breakOff();
      upstream.close();
      await new Promise<unknown>((resolve) => server.close(resolve));
    },
  });
}

/** The proxy's own connections to the node; one per call, so that its limit of streams is not ours. */
class Upstream {
  private readonly sessions = new Set<ClientHttp2Session>();

  constructor(private readonly port: number) {}

  connect(): ClientHttp2Session {
    const session = connect(`http://127.0.0.1:${this.port}`);
    this.sessions.add(session.on('error', () => undefined).on('close', () => this.sessions.delete(session)));
    return session;
  }

  close(): void {
    for (const session of this.sessions) session.destroy();
  }
}

function passedOn(
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  upstream: Upstream,
  onAnswer: (bytes: number) => void,
): ProxiedCall {
  const session = upstream.connect();
  const node = session.request(
    Object.fromEntries(Object.entries(headers).filter(([name]) => forwardedHeaders.includes(name))),
  );
  const request = new Gate();
  const answers = new Gate(onAnswer);
  let trailers: Record<string, unknown> | null = null;
  const respond = (): void => {
    if (stream.headersSent || stream.destroyed) return;
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  };
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '14', ...trailers }));
  node
    .on('response', (received) => {
      if ('grpc-status' in received) trailers = grpcPartOf(received);
      if (!answers.isClosed) respond();
    })
    .on('trailers', (received: IncomingHttpHeaders) => (trailers ??= grpcPartOf(received)))
    .on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR))
    .on('close', () => session.destroy());
  stream.on('close', () => node.close(constants.NGHTTP2_CANCEL));
  stream.pipe(request).pipe(node);
  node.pipe(answers).pipe(stream);
  const certificate = (stream.session?.socket as Partial<TLSSocket> | undefined)?.getPeerCertificate?.();
  return {
    path: String(headers[':path']),
    headers,
    clientCertificate: certificate?.subject ? String(certificate.subject.CN) : null,
    holdAnswers: () => answers.close(),
    holdRequest: () => request.close(),
    answer: (body) => {
      trailers = { 'grpc-status': '0' };
      answers.close();
      respond();
      stream.end(framed(body));
    },
    fail: (code, message, more = {}) => {
      trailers = { 'grpc-status': String(code), 'grpc-message': message, ...more };
      answers.close();
      respond();
      stream.end();
    },
  };
}

function grpcPartOf(headers: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith(':') && name !== 'content-type'),
  );
}

/** Lets bytes through until it is closed, and swallows them then. */
class Gate extends Transform {
  isClosed = false;

  constructor(onBytes: (count: number) => void = () => undefined) {
    super({
      transform: (chunk: Buffer, _encoding, done) => {
        if (this.isClosed) return done();
        onBytes(chunk.length);
        done(null, chunk);
      },
      flush: (done) => {
        // What is held does not end either.
        if (!this.isClosed) done();
      },
    });
    this.on('error', () => undefined);
  }

  close(): void {
    this.isClosed = true;
  }
}
