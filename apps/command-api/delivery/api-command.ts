import { applyDecorators } from '@nestjs/common';
import { ApiBearerAuth, ApiHeader, ApiOperation, ApiResponse } from '@nestjs/swagger';
import type { Type } from '@nestjs/common';
import { ApiProblems } from '../../shared/http/api-responses';
import { operatorKey, tenantKey } from '../../shared/http/open-api';
import type { ProblemName } from '../../shared/http/problem';

interface CommandDescription {
  readonly summary: string;
  readonly description?: string;
  readonly status: number;
  readonly type: Type<unknown>;
  readonly security?: typeof tenantKey | typeof operatorKey;
  /** Whether the route honours If-Match and answers with an ETag. */
  readonly conditional?: boolean;
  readonly problems?: readonly ProblemName[];
}

const commonProblems = [
  'malformed-request',
  'invalid-fields',
  'unauthenticated',
  'too-large',
  'unsupported-media-type',
  'idempotency-key-reused',
  'fault',
  'unavailable',
] as const;

/** What all commands have in common in the OpenAPI document, and what `description` says of this one. */
export function ApiCommand(command: CommandDescription): MethodDecorator {
  const { summary, description, status, type, conditional = false } = command;
  return applyDecorators(
    ApiBearerAuth(command.security ?? tenantKey),
    ApiOperation({ summary, ...(description === undefined ? {} : { description }) }),
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description: 'A retry with the same key has one effect and the same answer.',
      schema: { type: 'string', minLength: 16, maxLength: 128 },
    }),
    ...(conditional ? [ifMatchHeader] : []),
    ApiResponse({ status, type, description: 'Done, and durable.', headers: answerHeaders(conditional) }),
    ApiProblems(
      ...commonProblems,
      ...(command.problems ?? []),
      ...(conditional ? (['not-found', 'state-conflict', 'revision-conflict'] as const) : []),
    ),
  );
}

const ifMatchHeader = ApiHeader({
  name: 'If-Match',
  required: false,
  description: 'The ETag the client has seen. Where it no longer holds, 412 tells what has happened since.',
  schema: { type: 'string', example: '"7"' },
});

/** The headers of every success; `ETag` where the answer is about one conversation. */
export function answerHeaders(withEtag: boolean) {
  return {
    'X-Log-Position': {
      description: 'Read with `?after=<this>` to see the effect.',
      schema: { type: 'string', pattern: '^[0-9]+$' },
    },
    ...(withEtag
      ? { ETag: { description: "The conversation's revision.", schema: { type: 'string', example: '"8"' } } }
      : {}),
  } as const;
}
