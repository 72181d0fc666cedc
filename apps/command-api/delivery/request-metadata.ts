import { createHash, randomUUID } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import type { CommandMetadata } from '../../../domain/decider';
import type { Actor } from '../../../domain/event';
import { principalOf } from '../../shared/http/access';
import { invalidFields } from '../../shared/http/problem';
import { createdId, keyedCommandId } from '../../shared/ids/uuid-v5';

/** What a command that came over HTTP brings beside what the domain reads: the conditions of its delivery. */
export interface RequestMetadata extends CommandMetadata {
  /** Method and path: what an Idempotency-Key is bound to. */
  readonly route: string;
  /** Present with an Idempotency-Key: sha256 of the body and If-Match. The key with another request is refused. */
  readonly requestHash?: string;
  /** From If-Match: the revision the client has seen. */
  readonly expectedRevision?: number;
}

/**
 * The metadata of a command of the asking tenant. With an Idempotency-Key the command's id follows from the key, so that
 * a retry is the same command, over restarts and on any process (docs/adr/0007). Problem `invalid-fields` (400) for an
 * Idempotency-Key or If-Match that cannot be read.
 */
export function requestMetadata(request: FastifyRequest): RequestMetadata {
  const { tenantId, apiKeyId } = principalOf(request);
  return { tenantId, actor: { kind: 'user', id: apiKeyId }, ...deliveryOf(request, tenantId) };
}

/** The same for the operator, who makes tenants: the new tenant's id follows from the command's. */
export function operatorMetadata(request: FastifyRequest): RequestMetadata {
  const delivery = deliveryOf(request, 'operator');
  const actor: Actor = { kind: 'operator', id: null };
  return { tenantId: createdId(delivery.commandId, 'tenant'), actor, ...delivery };
}

/** The same, where the request names the user who acts: the key belongs to the tenant, the deed to the user. */
export function onBehalfOf(metadata: RequestMetadata, userId: string): RequestMetadata {
  return { ...metadata, actor: { kind: 'user', id: userId } };
}

function deliveryOf(request: FastifyRequest, scope: string): Omit<RequestMetadata, 'tenantId' | 'actor'> {
  const key = idempotencyKey(request);
  const expectedRevision = ifMatch(request);
  const route = `${request.method} ${request.url.split('?', 1)[0]}`;
  return {
    commandId: key === null ? randomUUID() : keyedCommandId(scope, route, key),
    now: new Date().toISOString(),
    route,
    ...(key === null ? {} : { requestHash: requestHash(request) }),
    ...(expectedRevision === null ? {} : { expectedRevision }),
  };
}

function idempotencyKey({ headers }: FastifyRequest): string | null {
  const key = headers['idempotency-key'];
  if (key === undefined) return null;
  if (typeof key === 'string' && /^[\x21-\x7e]{16,128}$/.test(key)) return key;
  throw invalidFields([{ field: 'Idempotency-Key', detail: 'must be 16 to 128 visible ASCII characters' }]);
}

/**
 * RFC 9110 §13.1.1 with one entity tag, the shape our answers carry. `*` asks for any state, which is what a command
 * without the header does. A weak tag never matches, so it cannot be honoured.
 */
function ifMatch({ headers }: FastifyRequest): number | null {
  const value = headers['if-match'];
  if (value === undefined || value.trim() === '*') return null;
  const [, digits] = /^\s*"(\d{1,15})"\s*$/.exec(value) ?? [];
  if (digits !== undefined) return Number(digits);
  throw invalidFields([{ field: 'If-Match', detail: 'must be * or the ETag of an answer, such as "7"' }]);
}

function requestHash({ bodySha256, headers }: FastifyRequest): string {
  return createHash('sha256')
    .update(`${bodySha256}|${headers['if-match'] ?? ''}`)
    .digest('hex');
}
