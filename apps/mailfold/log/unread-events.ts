import type { EventStore, LogReadOptions, LogRecord } from '../../shared/event-store/event-store';

/** Counting further would cost more than the figure is worth; the positions tell the rest. */
const countedMax = 10_000;
const timeoutMs = 3_000;

/** What a reader of the log still has before it. */
export interface UnreadEvents {
  readonly events: number;
  readonly bytes: number;
  /** True: at least so many, there may be more. */
  readonly isCountedInPart: boolean;
  /** How long the first of them has been lying there; 0 when there is none. */
  readonly lagSeconds: number;
  /** When the server stored the last of those counted, ms since 1970. */
  readonly newestMs: number | null;
}

/** Reads from a checkpoint to the end of the log, within bounds; null when that cannot be said. */
export async function unreadEvents(
  store: EventStore,
  after: LogReadOptions['after'],
  isCounted: (record: LogRecord) => boolean = () => true,
): Promise<UnreadEvents | null> {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), timeoutMs);
  const unread = { events: 0, bytes: 0, lagSeconds: 0, newestMs: null as number | null };
  try {
    for await (const message of store.subscribeRecords({ after, signal: stop.signal })) {
      if (message.kind === 'caught-up') return { ...unread, isCountedInPart: false };
      if (message.kind !== 'record' || !isCounted(message.record)) continue;
      const { createdAtMs, byteCount } = message.record;
      if (unread.events === 0) unread.lagSeconds = Math.max(0, (Date.now() - createdAtMs) / 1_000);
      unread.events += 1;
      unread.bytes += byteCount;
      unread.newestMs = createdAtMs;
      if (unread.events === countedMax) break;
    }
    return { ...unread, isCountedInPart: true };
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}
