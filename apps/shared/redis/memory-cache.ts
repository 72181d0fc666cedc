import { LRUCache } from 'lru-cache';
import type { Cache } from './cache';

const sizeMaxBytesByDefault = 64 * 1024 * 1024;

/** Within this process, bounded in bytes; what was not read for longest goes first. */
export class MemoryCache implements Cache {
  readonly kind = 'memory';
  private readonly entries: LRUCache<string, string>;

  constructor({ sizeMaxBytes = sizeMaxBytesByDefault }: { sizeMaxBytes?: number } = {}) {
    this.entries = new LRUCache({
      maxSize: sizeMaxBytes,
      // V8 keeps one or two bytes per character; two is the safe side.
      sizeCalculation: (value, key) => 2 * (value.length + key.length) + 1,
    });
  }

  async get(key: string): Promise<string | null> {
    return this.entries.get(key) ?? null;
  }

  async set(key: string, value: string, ttlMs: number): Promise<void> {
    this.entries.set(key, value, { ttl: ttlMs });
  }

  async ping(): Promise<boolean> {
    return true;
  }

  async close(): Promise<void> {
    this.entries.clear();
  }
}
