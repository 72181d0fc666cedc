import { randomUUID } from 'node:crypto';
import type { Server, Socket } from 'node:net';
import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { DynamicModule } from '@nestjs/common';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../process/log';
import { demandAccess, type Authenticator } from './access';
import { serveOpenApi, documentationPaths, type ApiDescription } from './open-api';
import { ProblemFilter, sendProblem, type ProblemTranslation } from './problem.filter';
import { ProblemError } from './problem';
import { takeJson } from './request-body';
import { securityHeaders, sendSecurityHeaders } from './security-headers';
import { validationPipe } from './validation';

const headersTimeoutMs = 10_000;
const requestTimeoutMs = 60_000;
const keepAliveTimeoutMs = 65_000;
const headerBytesMax = 16 * 1024;
const pathParameterLengthMax = 100;

export interface HttpApplicationOptions {
  readonly module: Type<unknown> | DynamicModule;
  readonly log: Logger;
  readonly authenticator: Authenticator;
  readonly translate: ProblemTranslation;
  readonly description: ApiDescription;
  /** Further content types, hooks: whatever only this application needs. */
  readonly extend?: (server: FastifyInstance) => void;
}

/**
 * What both APIs have in common: limits and timeouts against slow and greedy clients, authentication before the body,
 * problem+json for every error, security headers, request ids, a log line per request, and OpenAPI at /docs.
 * `close()` lets requests in flight finish.
 */
export async function createHttpApplication(
  options: HttpApplicationOptions,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    genReqId: () => randomUUID(),
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: pathParameterLengthMax },
    // Node looks for connections over their time only this often, so the interval is part of each timeout.
    http: {
      maxHeaderSize: headerBytesMax,
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: 1_000,
    },
    clientErrorHandler: answerUnreadable,
    frameworkErrors: refuseUnroutable,
  });
  const app = await NestFactory.create<NestFastifyApplication>(options.module, adapter, {
    bodyParser: false,
    logger: false,
    abortOnError: false,
  });
  const server = app.getHttpAdapter().getInstance();
  logRequests(server, options.log);
  letGoWhenClosing(server);
  sendSecurityHeaders(server, documentationPaths);
  demandAccess(server, options.authenticator, documentationPaths);
  takeJson(server);
  options.extend?.(server);
  app.useGlobalPipes(validationPipe());
  app.useGlobalFilters(new ProblemFilter(options.log, options.translate));
  serveOpenApi(app, options.description);
  return app;
}

/** Listens and tells the port, which matters where `port` is 0. */
export async function listen(app: NestFastifyApplication, host: string, port: number): Promise<number> {
  await app.listen(port, host);
  const address = (app.getHttpServer() as Server).address();
  return typeof address === 'object' && address !== null ? address.port : port;
}

/** Ids, the route's pattern and figures only: a path or a header may hold what is not ours to log (B3). */
function logRequests(server: FastifyInstance, log: Logger): void {
  server.addHook('onSend', async (request, reply) => {
    reply.header('x-request-id', request.id);
  });
  server.addHook('onResponse', async (request, reply) => {
    log.info(
      {
        reqId: request.id,
        method: request.method,
        route: request.routeOptions.url ?? 'unknown',
        status: reply.statusCode,
        durationMs: Math.round(reply.elapsedTime),
        tenantId: request.principal?.tenantId,
      },
      'answered',
    );
  });
}

/**
 * A connection that was busy when the end began would else be kept alive, and the end would wait for it; so would it for
 * one that never said anything, which Node takes for busy. Browsers and proxies open such in advance.
 */
function letGoWhenClosing(server: FastifyInstance): void {
  let isClosing = false;
  const connections = new Set<Socket>();
  server.server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  server.addHook('preClose', async () => {
    isClosing = true;
    for (const socket of connections) if (socket.bytesRead === 0) socket.destroy();
  });
  server.addHook('onSend', async (_request, reply) => {
    if (isClosing) reply.header('connection', 'close');
  });
}

/** What Node's parser refuses never reaches a route; it is still told as a problem, and the connection ends. */
function answerUnreadable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = unreadable(error.code).toProblem('/');
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${problem.title}\r\nContent-Type: application/problem+json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** A path the router cannot read reaches neither hooks nor filter, so what they would have done is done here. */
function refuseUnroutable(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  reply.headers(securityHeaders).header('x-request-id', request.id);
  // A parameter this long names nothing: every id is shorter.
  const problem =
    error.code === 'FST_ERR_MAX_PARAM_LENGTH'
      ? new ProblemError('not-found', 'There is nothing at this path.')
      : new ProblemError('malformed-request', 'The path is not percent-encoded as RFC 3986 has it.');
  sendProblem(request, reply, problem);
}

function unreadable(code: string | undefined): ProblemError {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return new ProblemError('request-timeout', 'The request did not arrive in time.');
  }
  if (code === 'HPE_HEADER_OVERFLOW') {
    return new ProblemError('headers-too-large', `Headers may take ${headerBytesMax} bytes.`);
  }
  return new ProblemError('malformed-request', 'This is not HTTP as RFC 9112 has it.');
}
