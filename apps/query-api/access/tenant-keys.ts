import type { FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import type { Authenticator, Principal } from '../../shared/http/access';
import { apiKeyHash, parseApiKey, type ApiKey } from '../../shared/http/api-key';
import { isTransient } from '../../shared/postgres/transient-error';
import type { TierReader } from '../reading/tier-reader';
import { operatorFor } from './operator';
import { wantedPosition } from './read-position';

/** A revoked key must fail within 5 s (reliability.md B1 API2). */
const knownTtlMs = 5_000;
/** Short, since the tier may just not have seen a key that was issued a moment ago. */
const unknownTtlMs = 500;
/**
 * How long a key that was good stays so while the tier cannot be asked: without it a failing OLTP database would take the
 * other tiers along. Nothing can be revoked in a tier nobody can write to (ADR 8).
 */
const graceMs = 5 * 60_000;
/** With a known key at hand, a tier that is frozen must not hold up every request. */
const askAgainTimeoutMs = 500;
const keysMax = 10_000;

interface Known {
  readonly principal: Principal | null;
  readonly expiresAtMs: number;
  readonly askedAtMs: number;
}

/** Knows tenants by their API keys, from the `api_keys` rows of the OLTP tier. */
export class TenantKeys implements Authenticator {
  private readonly known = new LRUCache<string, Known, ApiKey>({
    max: keysMax,
    ttl: knownTtlMs,
    fetchMethod: async (_, stale, { options, context }) => {
      const asked = this.ask(context);
      if (stale?.principal == null) return timed(await asked, options);
      try {
        return timed(await withinMs(asked, askAgainTimeoutMs), options);
      } catch (error) {
        if (!isAway(error) || performance.now() - stale.askedAtMs > graceMs) throw error;
        options.ttl = unknownTtlMs;
        return stale;
      }
    },
  });

  constructor(
    private readonly oltp: TierReader,
    private readonly afterWaitMaxMs: number,
    /** MAILFOLD_ADMIN_KEY, if operators may read here. */
    private readonly adminKey: string | undefined,
  ) {}

  async tenantOf(token: string, request: FastifyRequest): Promise<Principal | null> {
    const key = parseApiKey(token);
    if (key === null) return operatorFor(token, this.adminKey, request);
    // The hash alone would let a key with another tenant's id in it find this one's entry.
    const cacheKey = `${key.tenantId}.${apiKeyHash(key.secret)}`;
    const after = wantedPosition(request);
    let known = await this.known.fetch(cacheKey, { context: key });
    if (known?.principal === null && after !== null) {
      await this.oltp.pin({ tenantId: key.tenantId, after, timeoutMs: this.afterWaitMaxMs });
      known = await this.known.fetch(cacheKey, { context: key, forceRefresh: true });
    }
    if (!known || Date.now() >= known.expiresAtMs) return null;
    return known.principal;
  }

  isOperator(): boolean {
    return false;
  }

  private async ask({ tenantId, secret }: ApiKey): Promise<Known> {
    const pin = await this.oltp.pin({ tenantId, after: null, timeoutMs: this.afterWaitMaxMs });
    // Keys lie where their tenant does.
    const [row] = await this.oltp.readOne(pin, tenantId, ({ schema, query }) =>
      query<{ id: string; expiresAt: Date | null; revokedAt: Date | null }>(
        'api-key',
        `select id, expires_at as "expiresAt", revoked_at as "revokedAt" from ${schema}.api_keys
         where tenant_id = $1 and key_hash = $2`,
        [tenantId, apiKeyHash(secret)],
      ),
    );
    const valid = row !== undefined && row.revokedAt === null;
    return {
      principal: valid ? { tenantId, apiKeyId: row.id } : null,
      expiresAtMs: row?.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY,
      askedAtMs: performance.now(),
    };
  }
}

function timed(known: Known, options: { ttl?: number }): Known {
  options.ttl = known.principal === null ? unknownTtlMs : knownTtlMs;
  return known;
}

class AskedTooLong extends Error {
  override readonly name = 'AskedTooLong';
}

async function withinMs<T>(asked: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new AskedTooLong(`No answer within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return await Promise.race([asked, tooLong]);
  } finally {
    clearTimeout(timer);
    asked.catch(() => undefined);
  }
}

function isAway(error: unknown): boolean {
  return error instanceof AskedTooLong || isTransient(error);
}
