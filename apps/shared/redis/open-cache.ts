import type { Cache } from './cache';
import { MemoryCache } from './memory-cache';
import { RedisCache } from './redis-cache';

/** The cache REDIS_URL names, or the in-process one where there is none. */
export function openCache(redisUrl: string | undefined, onError?: (error: Error) => void): Cache {
  return redisUrl === undefined ? new MemoryCache() : new RedisCache(redisUrl, onError);
}
