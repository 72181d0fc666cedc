import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { TenantEvent } from '../../../domain/tenant/tenant.events';
import { tenant } from '../../../domain/tenant/tenant';
import { streamName } from '../../../domain/stream-name';
import type { EventStore } from '../../shared/event-store/event-store';
import type { Authenticator, Principal } from '../../shared/http/access';
import { apiKeyHash, equalInConstantTime, parseApiKey, type ApiKey } from '../../shared/http/api-key';

/** How long a revoked key may still be taken (B1: at most 5 s). */
const cacheTtlMs = 5_000;
const knownKeysMax = 10_000;
/** Apart from the known ones, so that a flood of guesses cannot push those out. */
const unknownKeysMax = 10_000;

interface KnownKey {
  readonly principal: Principal;
  readonly expiresAtMs: number;
}

/**
 * Knows tenants by the keys in their own streams: the log is the only truth about them, so a key works the moment it is
 * answered. Throws EventStoreUnavailable when the log cannot be read and the key is not known already.
 */
export function createAuthenticator(store: EventStore, adminKey: string): Authenticator {
  const known = new LRUCache<string, KnownKey>({ max: knownKeysMax, ttl: cacheTtlMs });
  const unknown = new LRUCache<string, true>({ max: unknownKeysMax, ttl: cacheTtlMs });
  const underWay = new Map<string, Promise<KnownKey | null>>();

  async function find(token: string, digest: string): Promise<KnownKey | null> {
    const apiKey = parseApiKey(token);
    const found = apiKey === null ? null : await readKey(store, apiKey);
    if (found === null) unknown.set(digest, true);
    else known.set(digest, found);
    return found;
  }

  return {
    isOperator: (token) => equalInConstantTime(token, adminKey),
    async tenantOf(token) {
      // Under a digest, so that a dump of this process holds no key that works.
      const digest = createHash('sha256').update(token).digest('base64');
      if (unknown.has(digest)) return null;
      let key = known.get(digest) ?? null;
      if (key === null) {
        const search = underWay.get(digest) ?? find(token, digest).finally(() => underWay.delete(digest));
        underWay.set(digest, search);
        key = await search;
      }
      return key !== null && key.expiresAtMs > Date.now() ? key.principal : null;
    },
  };
}

async function readKey(store: EventStore, { tenantId, secret }: ApiKey): Promise<KnownKey | null> {
  const { events } = await store.readStream(streamName('tenant', tenantId, tenantId));
  const state = events.reduce(
    (folded, event) => tenant.evolve(folded, event as TenantEvent),
    tenant.initialState,
  );
  if (state.status === 'unregistered') return null;
  const hash = apiKeyHash(secret);
  for (const { apiKeyId, keyHash, expiresAt, isRevoked } of state.apiKeys.values()) {
    if (isRevoked || !equalInConstantTime(keyHash, hash)) continue;
    const expiresAtMs = expiresAt === null ? Number.POSITIVE_INFINITY : Date.parse(expiresAt);
    return { principal: { tenantId, apiKeyId }, expiresAtMs };
  }
  return null;
}
