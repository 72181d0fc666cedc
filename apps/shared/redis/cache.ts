/**
 * A cache, never a truth: any entry may be gone at any time, and no call rejects. Which one is live shows in `kind`
 * (health pages, `mailfold status`): `memory` is per process, so one process does not see what another has cached.
 */
export interface Cache {
  readonly kind: 'redis' | 'memory';
  /** Null for a missing, expired or damaged entry, and when the cache cannot be asked in time. */
  get(key: string): Promise<string | null>;
  set(key: string, value: string, ttlMs: number): Promise<void>;
  /** Whether the cache answers. False is not an outage: everything is slower, nothing is wrong. */
  ping(): Promise<boolean>;
  close(): Promise<void>;
}
