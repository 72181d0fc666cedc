import type { FastifyInstance } from 'fastify';

/** Answers are data for programs: no browser shall render, frame, sniff or keep them (B1 API8). */
export const securityHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'strict-transport-security': 'max-age=31536000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
} as const;

/** The documentation page runs its own script and styles, and nobody else's. */
const documentationPolicy =
  "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; script-src 'self'; frame-ancestors 'none'";

/** Sets the headers on every answer, problems included; what a handler has set itself stays. */
export function sendSecurityHeaders(server: FastifyInstance, documentationPaths: RegExp): void {
  server.addHook('onSend', async (request, reply) => {
    for (const [name, value] of Object.entries(securityHeaders)) {
      if (!reply.hasHeader(name)) reply.header(name, value);
    }
    if (documentationPaths.test(request.url)) reply.header('content-security-policy', documentationPolicy);
  });
}
