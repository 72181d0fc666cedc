import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { principalOf } from '../../shared/http/access';
import { invalidFields } from '../../shared/http/problem';
import type { Reader } from '../reading/reads';
import { isOperator } from './operator';
import { generationDetail, generationHeader, isGenerationChoice, wantedGenerations } from './read-generation';

const positionPattern = /^\d{1,20}$/;
const positionMax = 2n ** 64n - 1n;
export const readAfterHeader = 'x-read-after';

/** A position of the log, in decimal: unsigned 64 bits. */
export function isPosition(value: unknown): value is string {
  return typeof value === 'string' && positionPattern.test(value) && BigInt(value) <= positionMax;
}

/** The position a request wants to be answered from, `?after=` or X-Read-After: the later one. Bad ones count as absent. */
export function wantedPosition(request: FastifyRequest): bigint | null {
  const { after } = request.query as Readonly<Record<string, unknown>>;
  return [after, request.headers[readAfterHeader]]
    .filter(isPosition)
    .map(BigInt)
    .reduce<bigint | null>(
      (latest, position) => (latest === null || position > latest ? position : latest),
      null,
    );
}

/** For handlers: the tenant of the key, and what it wants to read. Problem `invalid-fields` for headers that say nothing of it. */
export const ReaderOf = createParamDecorator((_: unknown, context: ExecutionContext): Reader => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const header = request.headers[readAfterHeader];
  if (header !== undefined && !isPosition(header)) {
    throw invalidFields([
      { field: 'X-Read-After', detail: 'must be a position, as X-Log-Position tells it' },
    ]);
  }
  const generation = request.headers[generationHeader];
  if (generation !== undefined && !isGenerationChoice(generation)) {
    throw invalidFields([{ field: 'X-Read-Generation', detail: generationDetail }]);
  }
  const principal = principalOf(request);
  return {
    tenantId: principal.tenantId,
    after: wantedPosition(request),
    generations: wantedGenerations(request),
    isOperator: isOperator(principal),
  };
});
