import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError, unavailable } from './problem';

declare module 'fastify' {
  interface FastifyRequest {
    /** Of the body's bytes as they came; of no bytes where there was no body. Hex. */
    bodySha256: string;
  }
  interface FastifyContextConfig {
    /** The one media type of a route's body. Default: application/json. */
    consumes?: string;
  }
}

const jsonType = 'application/json';
export const jsonBytesMax = 1024 * 1024;
export const jsonDepthMax = 32;

const sha256OfNothing = createHash('sha256').digest('hex');

/**
 * Takes JSON of at most 1 MiB and 32 levels, whose strings every tier can store, and nothing compressed: a body is
 * never larger than what came over the wire (B3). Add other types with {@link takeBytes}.
 */
export function takeJson(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.decorateRequest('bodySha256', sha256OfNothing);
  server.addHook('onRequest', async (request) => refuseForeignBody(request));
  const parseJson = server.getDefaultJsonParser('error', 'error');
  server.addContentTypeParser(
    jsonType,
    { parseAs: 'buffer', bodyLimit: jsonBytesMax },
    (request, body: Buffer, done) => {
      request.bodySha256 = sha256(body);
      // Decoding would put U+FFFD in place of what was meant, and the log would keep that for ever (RFC 8259 §8.1).
      if (!isUtf8(body)) return done(new ProblemError('malformed-request', 'The body is not UTF-8.'));
      void parseJson(request, body.toString('utf8'), (error, value) => {
        if (error) return done(new ProblemError('malformed-request', 'The body is not valid JSON.'));
        try {
          refuseUnstorable(value, '', jsonDepthMax);
        } catch (refusal) {
          return done(refusal as Error);
        }
        done(null, value);
      });
    },
  );
}

export interface BytesLimits {
  /** Of one body; 413 above. */
  readonly bytesMax: number;
  /** Of all bodies that are held at one time; 503 above, since a process that runs out of memory answers nobody. */
  readonly heldBytesMax: number;
}

/** Takes bodies of one more media type as the bytes they are. */
export function takeBytes(
  server: FastifyInstance,
  mediaType: string,
  { bytesMax, heldBytesMax }: BytesLimits,
): void {
  let heldBytes = 0;
  server.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config.consumes !== mediaType) return;
    // A body sent in chunks says nothing of its size before it is here.
    const claimedBytes = Number(request.headers['content-length'] ?? bytesMax);
    const bytes = Math.min(claimedBytes, bytesMax);
    if (heldBytes + bytes > heldBytesMax) throw unavailable('Too many large bodies are under way.');
    heldBytes += bytes;
    reply.raw.once('close', () => (heldBytes -= bytes));
  });
  server.addContentTypeParser(
    mediaType,
    { parseAs: 'buffer', bodyLimit: bytesMax },
    (request, body: Buffer, done) => {
      request.bodySha256 = sha256(body);
      done(null, body);
    },
  );
}

function refuseForeignBody(request: FastifyRequest): void {
  const { headers } = request;
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
  if (request.is404 || !hasBody) return;
  const wanted = request.routeOptions.config.consumes ?? jsonType;
  const given = (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (given !== wanted) throw unsupported(`This path takes ${wanted}.`, wanted);
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') throw unsupported('Compressed bodies are not taken.', wanted);
}

function unsupported(detail: string, wanted: string): ProblemError {
  // RFC 9110 §15.5.16: an Accept field in the answer says what would have been taken.
  return new ProblemError('unsupported-media-type', detail, {}, { accept: wanted });
}

/** PostgreSQL text holds neither NUL nor half a surrogate pair: an event with one would be poison to every tier (F13). */
function refuseUnstorable(value: unknown, path: string, levelsLeft: number): void {
  if (typeof value === 'string' && /[\0\p{Surrogate}]/u.test(value)) {
    throw new ProblemError(
      'malformed-request',
      `The text at ${path || 'the top'} holds a NUL or half a character.`,
    );
  }
  if (typeof value !== 'object' || value === null) return;
  if (levelsLeft === 0) {
    throw new ProblemError('malformed-request', `The body is nested deeper than ${jsonDepthMax} levels.`);
  }
  for (const [name, member] of Object.entries(value)) {
    refuseUnstorable(member, path === '' ? name : `${path}.${name}`, levelsLeft - 1);
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
