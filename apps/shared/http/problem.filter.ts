import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../process/log';
import { ProblemError, problemNames, problemStatus } from './problem';

/** What an application knows about its own errors: the problem one stands for, or `null` when it knows none. */
export type ProblemTranslation = (error: unknown) => ProblemError | null;

/**
 * Turns whatever was thrown below a request into application/problem+json. Refusals say why; a fault says nothing of
 * its inside, is logged whole, and carries the request id by which the log line is found.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly log: Logger,
    private readonly translate: ProblemTranslation,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    // The client may be gone, or the answer half sent; there is nobody left to tell.
    if (reply.sent) return;
    const problem = this.problemOf(error, request);
    if (problem.status >= 500) {
      this.log.error({ reqId: request.id, err: error, status: problem.status }, 'request failed');
    }
    sendProblem(request, reply, problem);
  }

  private problemOf(error: unknown, request: FastifyRequest): ProblemError {
    if (error instanceof ProblemError) return error;
    const translated = this.translate(error);
    if (translated) return translated;
    if (error instanceof HttpException) return ofHttpStatus(error.getStatus(), error.message);
    return new ProblemError('fault', `The log has the reason under request ${request.id}.`);
  }
}

export function sendProblem(request: FastifyRequest, reply: FastifyReply, problem: ProblemError): void {
  if (problem.status === 413) letFinishSending(request, reply);
  const path = request.url.split('?', 1)[0] ?? request.url;
  void reply
    .status(problem.status)
    .headers(problem.headers)
    .header('content-type', 'application/problem+json; charset=utf-8')
    .send(JSON.stringify(problem.toProblem(path)));
}

/**
 * A client that is cut off while it writes sees a broken pipe and never the reason. So the rest is read and thrown away,
 * for as long as any request may take, and the connection stays.
 */
function letFinishSending(request: FastifyRequest, reply: FastifyReply): void {
  reply.removeHeader('connection');
  request.raw.resume();
}

/** What the framework itself refuses: unknown paths, bodies over the limit, media types nobody takes. */
function ofHttpStatus(status: number, message: string): ProblemError {
  if (status === 404) return new ProblemError('not-found', 'There is nothing at this path.');
  const name = problemNames.find((candidate) => problemStatus(candidate).status === status);
  if (name !== undefined && status < 500) return new ProblemError(name, message);
  return status < 500
    ? new ProblemError('malformed-request', message)
    : new ProblemError('fault', 'The request could not be answered.');
}
