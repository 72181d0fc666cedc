import type { FastifyRequest } from 'fastify';
import type { Principal } from '../../shared/http/access';
import { equalInConstantTime } from '../../shared/http/api-key';

/** Names the tenant an operator reads as. */
export const tenantHeader = 'x-tenant-id';
/** In the place of a key's id, where the operator reads for a tenant. */
const operatorKeyId = 'operator';
const uuidPattern = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * An operator's request: MAILFOLD_ADMIN_KEY as bearer token, and the tenant whose rows are read in X-Tenant-Id. With
 * X-Read-Generation it may read any generation that is kept up to date, not only frozen ones. This is how a proof compares
 * the answers of two generations before a cut-over (shadow reads): the same request once without the header and once with
 * `X-Read-Generation: <tier>:<n>`, both with `?after=` the position they are to be compared at.
 * `null` for a token that is not the operator's. Without a key configured there is no operator.
 */
export function operatorFor(
  token: string,
  adminKey: string | undefined,
  request: FastifyRequest,
): Principal | null {
  const tenantId = request.headers[tenantHeader];
  if (adminKey === undefined || typeof tenantId !== 'string' || !uuidPattern.test(tenantId)) return null;
  return equalInConstantTime(token, adminKey) ? { tenantId, apiKeyId: operatorKeyId } : null;
}

export function isOperator({ apiKeyId }: Principal): boolean {
  return apiKeyId === operatorKeyId;
}
