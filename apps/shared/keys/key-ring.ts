import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { Pool } from 'pg';
import { v4 as uuidV4 } from 'uuid';
import { seal, SealBroken, unseal } from './seal';

export interface KeyRing {
  /** The tenant's key for content; made on first use. @throws KeyDestroyed */
  dataKey(tenantId: string): Promise<DataKey>;
  /**
   * The key an envelope names, or 'destroyed' once it was shredded; at once where this process has used it of late.
   * @throws KeyUnknown when it never existed here.
   */
  keyById(keyId: string): Buffer | 'destroyed' | Promise<Buffer | 'destroyed'>;
  /** 32 bytes for keyed digests (deterministic ids, blind indexes); made on first use. @throws KeyDestroyed */
  pepper(tenantId: string): Promise<Buffer>;
}

export interface DataKey {
  keyId: string;
  /** 32 bytes. */
  key: Buffer;
}

type Purpose = 'data' | 'pepper';

interface KeyRow {
  key_id: string;
  tenant_id: string;
  wrapped: Buffer | null;
}

/** The tenant was erased: nothing may be sealed for it again. */
export class KeyDestroyed extends Error {
  override readonly name = 'KeyDestroyed';
}

/** No such key in this key store: another store's data, or a lost key. */
export class KeyUnknown extends Error {
  override readonly name = 'KeyUnknown';
}

/** The root key given does not open the keys of this store. */
export class WrongRootKey extends Error {
  override readonly name = 'WrongRootKey';
}

const keyBytes = 32;
const cachedKeysMax = 10_000;
// How long a process may go on reading with a key that was destroyed elsewhere.
const cacheTtlMs = 60_000;
// Wrapped keys name the root key they are under; there is one so far.
const rootKeyId = '00000000-0000-0000-0000-000000000001';

/**
 * Keys per tenant, kept in the key store wrapped under the root key (reliability.md B5). Safe to use from many
 * processes: of two that make a tenant's first key at once, one wins and both return it.
 * @param rootKey 32 bytes, from the environment or a KMS; never stored beside the keys.
 */
export function createKeyRing({ pool, rootKey }: { pool: Pool; rootKey: Buffer }): KeyRing {
  if (rootKey.length !== keyBytes)
    throw new WrongRootKey(`The root key has ${rootKey.length} bytes instead of ${keyBytes}`);
  const store = new StoredKeys(pool, rootKey);
  const byTenant = new LRUCache<string, DataKey>({ max: cachedKeysMax, ttl: cacheTtlMs });
  const byId = new LRUCache<string, Buffer | 'destroyed'>({ max: cachedKeysMax, ttl: cacheTtlMs });

  async function keyOf(tenantId: string, purpose: Purpose): Promise<DataKey> {
    const cached = byTenant.get(`${purpose} ${tenantId}`);
    if (cached !== undefined) return cached;
    const found = (await store.find(tenantId, purpose)) ?? (await store.create(tenantId, purpose));
    if (found.key === 'destroyed')
      throw new KeyDestroyed(`The ${purpose} key of tenant ${tenantId} was destroyed`);
    const dataKey = { keyId: found.keyId, key: found.key };
    byTenant.set(`${purpose} ${tenantId}`, dataKey);
    return dataKey;
  }

  async function readById(keyId: string): Promise<Buffer | 'destroyed'> {
    const key = await store.findById(keyId);
    byId.set(keyId, key);
    return key;
  }

  return {
    dataKey: (tenantId) => keyOf(tenantId, 'data'),
    pepper: async (tenantId) => (await keyOf(tenantId, 'pepper')).key,
    keyById: (keyId) => byId.get(keyId) ?? readById(keyId),
  };
}

interface StoredKey {
  keyId: string;
  key: Buffer | 'destroyed';
}

/** The table data_keys, with keys unwrapped. */
class StoredKeys {
  constructor(
    private readonly pool: Pool,
    private readonly rootKey: Buffer,
  ) {}

  async find(tenantId: string, purpose: Purpose): Promise<StoredKey | null> {
    const { rows } = await this.pool.query<KeyRow>(
      'select key_id, tenant_id, wrapped from data_keys where tenant_id = $1 and purpose = $2',
      [tenantId, purpose],
    );
    return rows[0] === undefined ? null : this.unwrap(rows[0]);
  }

  async findById(keyId: string): Promise<Buffer | 'destroyed'> {
    const { rows } = await this.pool.query<KeyRow>(
      'select key_id, tenant_id, wrapped from data_keys where key_id = $1',
      [keyId],
    );
    if (rows[0] === undefined) throw new KeyUnknown(`The key store holds no key ${keyId}`);
    return this.unwrap(rows[0]).key;
  }

  /** Returns the key that is in the store afterwards: another process may have been first. */
  async create(tenantId: string, purpose: Purpose): Promise<StoredKey> {
    const keyId = uuidV4();
    const wrapped = seal(this.rootKey, rootKeyId, randomBytes(keyBytes), wrapAad(tenantId, keyId));
    await this.pool.query(
      `insert into data_keys (key_id, tenant_id, purpose, wrapped) values ($1, $2, $3, $4)
       on conflict (tenant_id, purpose) do nothing`,
      [keyId, tenantId, purpose, wrapped],
    );
    const stored = await this.find(tenantId, purpose);
    if (stored === null)
      throw new KeyUnknown(`The ${purpose} key of tenant ${tenantId} vanished while it was made`);
    return stored;
  }

  private unwrap({ key_id: keyId, tenant_id: tenantId, wrapped }: KeyRow): StoredKey {
    if (wrapped === null) return { keyId, key: 'destroyed' };
    try {
      return { keyId, key: Buffer.from(unseal(this.rootKey, wrapped, wrapAad(tenantId, keyId))) };
    } catch (error) {
      if (!(error instanceof SealBroken)) throw error;
      throw new WrongRootKey(
        'The root key does not open the keys of this store: is ROOT_KEY the one it was made with?',
      );
    }
  }
}

/** Binds a wrapped key to its row, so that no tenant can be given another one's key by moving bytes. */
function wrapAad(tenantId: string, keyId: string): string {
  return `${tenantId}|${keyId}`;
}
