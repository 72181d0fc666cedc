import { ExponentialBackoff, handleWhen, retry } from 'cockatiel';
import { isTransient } from './transient-error';

export interface RetryOptions {
  readonly signal?: AbortSignal;
  /** Tries after the first; without it, until `signal` aborts. */
  readonly retriesMax?: number;
  readonly delayMaxMs?: number;
  readonly onRetry?: (error: unknown, delayMs: number) => void;
}

/**
 * Runs `call` until it succeeds, as long as its errors are transient; any other error is thrown at once. Delays grow from
 * 100 ms to `delayMaxMs` (default 5 s) with jitter, so that many processes do not return in step.
 * After an abort the last error is thrown.
 */
export async function untilAvailable<T>(call: () => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const policy = retry(handleWhen(isTransient), {
    maxAttempts: options.retriesMax ?? Number.POSITIVE_INFINITY,
    backoff: new ExponentialBackoff({ initialDelay: 100, maxDelay: options.delayMaxMs ?? 5_000 }),
  });
  const { onRetry } = options;
  if (onRetry) {
    policy.onRetry((event) => onRetry('error' in event ? event.error : undefined, event.delay));
  }
  return policy.execute(call, options.signal);
}
