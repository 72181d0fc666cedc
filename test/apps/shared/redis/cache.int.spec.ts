import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from 'redis';
import { startEmbeddedRedis, type EmbeddedRedis } from '../../../../apps/shared/embedded/embedded-redis';
import { describeWithRedisServer } from '../../../support/redis-server';
import type { Cache } from '../../../../apps/shared/redis/cache';
import { MemoryCache } from '../../../../apps/shared/redis/memory-cache';
import { RedisCache } from '../../../../apps/shared/redis/redis-cache';
import { eventually } from '../../../support/eventually';

/** What every user of a cache relies on, whichever one is live. */
function behavesAsCache(open: () => Promise<Cache>): void {
  let cache: Cache;
  beforeEach(async () => {
    cache = await open();
  });
  afterEach(() => cache.close());

  it('returns what was set, any text, and null for what was not', async () => {
    const value = JSON.stringify({ subject: 'Grüße \u0000 ✉️', list: [1, 2] });
    await cache.set('conversation', value, 10_000);
    await cache.set('empty', '', 10_000);
    expect(await cache.get('conversation')).toBe(value);
    expect(await cache.get('empty')).toBe('');
    expect(await cache.get('missing')).toBeNull();
  });

  it('keeps the last of two values', async () => {
    await cache.set('key', 'old', 10_000);
    await cache.set('key', 'new', 10_000);
    expect(await cache.get('key')).toBe('new');
  });

  it('forgets an entry when its time is up', async () => {
    await cache.set('short', 'lived', 30);
    await eventually(async () => expect(await cache.get('short')).toBeNull());
  });

  it('answers a ping', async () => {
    expect(await cache.ping()).toBe(true);
  });
}

describe('the in-process cache', () => {
  behavesAsCache(async () => new MemoryCache());

  it('stays within its size, dropping what was not read for longest', async () => {
    const cache = new MemoryCache({ sizeMaxBytes: 1_000 });
    for (let n = 0; n < 10; n += 1) await cache.set(`key-${n}`, 'x'.repeat(100), 10_000);
    expect(await cache.get('key-0')).toBeNull();
    expect(await cache.get('key-9')).toBe('x'.repeat(100));
    await cache.set('too large', 'x'.repeat(1_000), 10_000);
    expect(await cache.get('too large')).toBeNull();
  });
});

describe('the Redis cache without a server', () => {
  it('misses at once, again and again, and never rejects', async () => {
    const cache = new RedisCache('redis://127.0.0.1:1');
    const startedAt = Date.now();
    for (let n = 0; n < 20; n += 1) {
      await cache.set('key', 'value', 1_000);
      expect(await cache.get('key')).toBeNull();
    }
    expect(await cache.ping()).toBe(false);
    expect(Date.now() - startedAt).toBeLessThan(1_000);
    await cache.close();
  });
});

const dataDir = mkdtempSync(join(tmpdir(), 'mailfold-redis-'));
let redis: EmbeddedRedis | null = null;

describeWithRedisServer('the Redis cache', () => {
  beforeAll(async () => {
    redis = await startEmbeddedRedis({ dataDir });
  });
  afterAll(() => redis?.stop());

  const url = (): string => redis?.url ?? 'the server did not start';
  const open = async (): Promise<Cache> => {
    const cache = new RedisCache(url());
    await eventually(async () => expect(await cache.ping()).toBe(true));
    return cache;
  };

  behavesAsCache(open);

  it('takes garbage, a cut value and a value of another type for a miss (F11)', async () => {
    const cache = await open();
    await cache.set('cut', 'a value of some length', 10_000);
    const client = createClient({ socket: { path: new URL(url()).pathname, tls: false } });
    await client.connect();
    await client.set('garbage', '\u0000{"not": "ours"');
    await client.lPush('list', 'x');
    await client.set('cut', (await client.get('cut'))?.slice(0, -1) ?? '');
    client.destroy();
    expect([await cache.get('garbage'), await cache.get('list'), await cache.get('cut')]).toEqual([
      null,
      null,
      null,
    ]);
    expect(await cache.ping()).toBe(true);
    await cache.close();
  });

  it('misses within its bound while the server is frozen, and hits again afterwards (F11)', async () => {
    const cache = await open();
    await cache.set('key', 'value', 60_000);
    const pid = redis?.pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    try {
      for (let n = 0; n < 10; n += 1) {
        const startedAt = Date.now();
        expect(await cache.get('key')).toBeNull();
        expect(Date.now() - startedAt).toBeLessThan(150);
      }
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await eventually(async () => expect(await cache.get('key')).toBe('value'));
    await cache.close();
  });
});

afterAll(() => rmSync(dataDir, { recursive: true, force: true }));
