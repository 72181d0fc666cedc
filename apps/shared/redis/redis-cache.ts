import { crc32 } from 'node:zlib';
import {
  circuitBreaker,
  ConsecutiveBreaker,
  handleAll,
  timeout,
  TimeoutStrategy,
  wrap,
  type IPolicy,
} from 'cockatiel';
import { createClient, type RedisClientType } from 'redis';
import type { Cache } from './cache';

/** Longer than this, the database is the quicker cache. */
const callTimeoutMs = 50;
const reconnectDelayMaxMs = 2_000;

/**
 * Over a Redis server. A dead or slow one is a miss within 50 ms; after five misses in a row it is not asked at all for
 * 2 s (reliability.md F11). An entry that is not exactly what was stored is a miss.
 */
export class RedisCache implements Cache {
  readonly kind = 'redis';
  private readonly client: RedisClientType;
  private readonly policy: IPolicy = wrap(
    circuitBreaker(handleAll, { halfOpenAfter: 2_000, breaker: new ConsecutiveBreaker(5) }),
    timeout(callTimeoutMs, TimeoutStrategy.Aggressive),
  );

  /** `url`: redis://, rediss:// or unix:///path/of/socket. Connects in the background, and again after each loss. */
  constructor(url: string, onError: (error: Error) => void = () => undefined) {
    const reconnectStrategy = (retries: number): number => Math.min(50 * 2 ** retries, reconnectDelayMaxMs);
    this.client = createClient({
      ...(url.startsWith('unix://')
        ? { socket: { path: new URL(url).pathname, tls: false as const, reconnectStrategy } }
        : { url, socket: { connectTimeout: 1_000, reconnectStrategy } }),
      // A queue of old reads is of no use to anybody when the server is back.
      disableOfflineQueue: true,
      commandsQueueMaxLength: 1_000,
    });
    this.client.on('error', onError);
    this.client.connect().catch(onError);
  }

  async get(key: string): Promise<string | null> {
    const stored = await this.attempt(() => this.client.get(key));
    return stored === null ? null : opened(stored);
  }

  async set(key: string, value: string, ttlMs: number): Promise<void> {
    await this.attempt(() =>
      this.client.set(key, sealed(value), { expiration: { type: 'PX', value: ttlMs } }),
    );
  }

  async ping(): Promise<boolean> {
    return (await this.attempt(() => this.client.ping())) === 'PONG';
  }

  async close(): Promise<void> {
    if (this.client.isOpen) this.client.destroy();
  }

  private async attempt<T>(call: () => Promise<T>): Promise<T | null> {
    try {
      return await this.policy.execute(() => {
        const answer = call();
        // When time is up nobody waits for the answer any more, and it must not become a stray rejection.
        answer.catch(() => undefined);
        return answer;
      });
    } catch {
      return null;
    }
  }
}

function sealed(value: string): string {
  return `${checksum(value)}${value}`;
}

function opened(stored: string): string | null {
  const value = stored.slice(8);
  return stored.slice(0, 8) === checksum(value) ? value : null;
}

function checksum(value: string): string {
  return crc32(value).toString(16).padStart(8, '0');
}
