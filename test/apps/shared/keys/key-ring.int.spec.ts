import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Pool } from 'pg';
import { createKeyRing, KeyDestroyed, KeyUnknown, WrongRootKey } from '../../../../apps/shared/keys/key-ring';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { startTestPostgres, TestPostgres } from '../../../support/postgres';

const createDataKeys = readFileSync(
  join(__dirname, '../../../../migrations/keys/0001_data_keys.sql'),
  'utf8',
);

describe('the key ring', () => {
  const rootKey = randomBytes(32);
  let postgres: TestPostgres;
  let pool: Pool;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    pool = createPool(await postgres.createDatabase(), {
      applicationName: 'key-ring-test',
      maxConnections: 10,
      statementTimeoutMs: 10_000,
      queryTimeoutMs: 10_000,
      connectionTimeoutMs: 10_000,
    });
    await pool.query(createDataKeys);
  });
  afterAll(async () => {
    await pool.end();
    await postgres.stop();
  });

  // A ring of its own has an empty cache, as another process has.
  const anotherProcess = () => createKeyRing({ pool, rootKey });

  async function destroy(tenantId: string): Promise<void> {
    await pool.query('update data_keys set wrapped = null, destroyed_at = now() where tenant_id = $1', [
      tenantId,
    ]);
  }

  it('makes a key on first use and finds it again', async () => {
    const tenantId = randomUUID();
    const made = await anotherProcess().dataKey(tenantId);
    expect(made.key).toHaveLength(32);
    expect(await anotherProcess().dataKey(tenantId)).toEqual(made);
    expect(await anotherProcess().keyById(made.keyId)).toEqual(made.key);
  });

  it('gives each tenant and each purpose its own', async () => {
    const ring = anotherProcess();
    const [one, other] = [randomUUID(), randomUUID()];
    const keys = [
      (await ring.dataKey(one)).key,
      (await ring.dataKey(other)).key,
      await ring.pepper(one),
      await ring.pepper(other),
    ];
    expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(4);
    expect(await anotherProcess().pepper(one)).toEqual(keys[2]);
  });

  it('agrees on one key when twenty processes make the first one at once', async () => {
    const tenantId = randomUUID();
    const made = await Promise.all(Array.from({ length: 20 }, () => anotherProcess().dataKey(tenantId)));
    expect(new Set(made.map(({ key }) => key.toString('hex'))).size).toBe(1);
    expect(new Set(made.map(({ keyId }) => keyId)).size).toBe(1);
  });

  it('keeps no key in the clear', async () => {
    const tenantId = randomUUID();
    const { key } = await anotherProcess().dataKey(tenantId);
    const { rows } = await pool.query<{ wrapped: Buffer }>(
      'select wrapped from data_keys where tenant_id = $1',
      [tenantId],
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]?.wrapped.includes(key)).toBe(false);
  });

  it('tells a destroyed key from one that never was, and makes no new one for the tenant', async () => {
    const tenantId = randomUUID();
    const { keyId } = await anotherProcess().dataKey(tenantId);
    await destroy(tenantId);
    expect(await anotherProcess().keyById(keyId)).toBe('destroyed');
    await expect(anotherProcess().dataKey(tenantId)).rejects.toThrow(KeyDestroyed);
    await expect(anotherProcess().keyById(randomUUID())).rejects.toThrow(KeyUnknown);
  });

  it('says plainly that the root key is the wrong one', async () => {
    const tenantId = randomUUID();
    const { keyId } = await anotherProcess().dataKey(tenantId);
    const stranger = createKeyRing({ pool, rootKey: randomBytes(32) });
    await expect(stranger.dataKey(tenantId)).rejects.toThrow(WrongRootKey);
    await expect(stranger.keyById(keyId)).rejects.toThrow(WrongRootKey);
    expect(() => createKeyRing({ pool, rootKey: randomBytes(16) })).toThrow(WrongRootKey);
  });

  it('opens no key that was moved to another tenant', async () => {
    const [victim, thief] = [randomUUID(), randomUUID()];
    await anotherProcess().dataKey(victim);
    await anotherProcess().dataKey(thief);
    await pool.query(
      `update data_keys set wrapped = (select wrapped from data_keys where tenant_id = $1) where tenant_id = $2`,
      [victim, thief],
    );
    await expect(anotherProcess().dataKey(thief)).rejects.toThrow(WrongRootKey);
  });

  it('is refused by the table to hold a destroyed key with bytes', async () => {
    const tenantId = randomUUID();
    await anotherProcess().dataKey(tenantId);
    await expect(
      pool.query('update data_keys set destroyed_at = now() where tenant_id = $1', [tenantId]),
    ).rejects.toThrow(/check/);
  });
});
