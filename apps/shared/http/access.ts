import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from './problem';

/** Who may use a route. A route that says nothing is for tenants, so that forgetting it opens nothing (B1 API5). */
export type Access = 'public' | 'operator' | 'tenant';

/** The tenant that asks, and the key it showed. */
export interface Principal {
  readonly tenantId: string;
  readonly apiKeyId: string;
}

declare module 'fastify' {
  interface FastifyRequest {
    principal: Principal | null;
  }
  interface FastifyContextConfig {
    /** Set with Nest's `@RouteConfig`. */
    access?: Access;
  }
}

/** How a process tells who a bearer token belongs to. Both may throw when what they ask is away (503). */
export interface Authenticator {
  tenantOf(token: string, request: FastifyRequest): Promise<Principal | null>;
  isOperator(token: string): boolean;
}

/**
 * Checks the caller before a byte of the body is read, so that nobody without a key can make this process hold 25 MiB.
 * Sets `request.principal` on routes of tenants. Problem `unauthenticated` (401) for a token that is absent, malformed,
 * unknown, expired or revoked, all with the same words.
 */
export function demandAccess(
  server: FastifyInstance,
  authenticator: Authenticator,
  publicPaths: RegExp,
): void {
  server.decorateRequest('principal', null);
  server.addHook('onRequest', async (request) => {
    // The matched pattern, not the text that was sent: what the router takes for a documentation page is one.
    if (request.is404 || publicPaths.test(request.routeOptions.url ?? '')) return;
    const access = request.routeOptions.config.access ?? 'tenant';
    switch (access) {
      case 'public':
        return;
      case 'operator':
        if (!authenticator.isOperator(bearerToken(request))) throw unauthenticated();
        return;
      case 'tenant':
        request.principal = await authenticator.tenantOf(bearerToken(request), request);
        if (request.principal === null) throw unauthenticated();
    }
  });
}

/** For handlers of tenant routes, where the hook above has let only tenants through. */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal === null) throw unauthenticated();
  return request.principal;
}

/** RFC 6750 §2.1: the scheme's name in any case, then one token. */
function bearerToken(request: FastifyRequest): string {
  const [, token] = /^bearer +([A-Za-z0-9._~+/=-]{1,512})$/i.exec(request.headers.authorization ?? '') ?? [];
  if (token === undefined) throw unauthenticated();
  return token;
}

function unauthenticated(): ProblemError {
  return new ProblemError(
    'unauthenticated',
    'Send "Authorization: Bearer <key>" with a key that is valid.',
    {},
    { 'www-authenticate': 'Bearer realm="mailfold"' },
  );
}
