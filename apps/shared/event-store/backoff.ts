import { setTimeout as delay } from 'node:timers/promises';

/** Full jitter from 50 ms to 2 s, so that many processes do not come back in one wave. */
export function backoffMs(attempt: number): number {
  return Math.ceil(Math.random() * Math.min(2_000, 50 * 2 ** attempt));
}

/** Waits before the next attempt; less when `signal` is aborted meanwhile. */
export async function backOff(attempt: number, signal?: AbortSignal): Promise<void> {
  await delay(backoffMs(attempt), undefined, signal ? { signal } : {}).catch(() => undefined);
}
