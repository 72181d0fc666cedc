import { setTimeout as delay } from 'node:timers/promises';
import type { EventStore } from '../event-store/event-store';

/** Behind a log that hangs, everyone must still meet their own timeout, not the sum of all before them. */
const turnWaitMaxMs = 2_000;

const turnsOf = new WeakMap<EventStore, Map<string, Promise<unknown>>>();

/**
 * Runs `work` after the work of the same key that this process began earlier. A courtesy, not a lock: it spares those who
 * would lose the race for a revision anyway (50 replies at once took 14 s without it), and nothing relies on it.
 */
export async function inTurn<T>(store: EventStore, key: string, work: () => Promise<T>): Promise<T> {
  const turns = turnsOf.get(store) ?? new Map<string, Promise<unknown>>();
  turnsOf.set(store, turns);
  const previous = turns.get(key);
  const mine = (async () => {
    if (previous) await settledWithin(previous, turnWaitMaxMs);
    return work();
  })();
  turns.set(key, mine);
  try {
    return await mine;
  } finally {
    // Only the last in line clears the key, so that the map holds no more than what is under way.
    if (turns.get(key) === mine) turns.delete(key);
  }
}

async function settledWithin(work: Promise<unknown>, timeoutMs: number): Promise<void> {
  const timer = new AbortController();
  const settled = work.then(
    () => undefined,
    () => undefined,
  );
  await Promise.race([settled, delay(timeoutMs, undefined, { signal: timer.signal }).catch(() => undefined)]);
  timer.abort();
}
