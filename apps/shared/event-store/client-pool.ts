import { EventStoreDBClient } from '@eventstore/db-client';
import { CallTimedOut, ClientDiscarded, isPoisoned } from './client-errors';

/** Reads in flight on one connection. A server allows 100 streams; the 101st waits without an error (event-store.md §4). */
const concurrentReadsMax = 64;

/**
 * Holds the one client of this process and replaces it when it is spoilt. One, because the client keeps its pending
 * appends in a module-wide map that several clients would reject for each other (event-store.md §2.3).
 */
export class ClientHolder {
  private client: EventStoreDBClient | null = null;
  private readsInFlight = 0;
  private readonly waitingReads: (() => void)[] = [];
  private closed = false;
  private readonly discardListeners = new Map<EventStoreDBClient, Set<() => void>>();

  constructor(private readonly url: string) {}

  /** The current client; a new one after {@link discard}. */
  current(): EventStoreDBClient {
    if (this.closed) throw new Error('the event store client is closed');
    this.client ??= EventStoreDBClient.connectionString(this.url);
    return this.client;
  }

  /**
   * Runs one call under our own time limit; a call that spoils the client makes the next one start with a new client.
   * A client that is thrown away cancels its reads, and a cancelled read ends like one that has reached the end: so every
   * call that was under way on it fails, whatever it seems to have answered.
   */
  async call<T>(timeoutMs: number, run: (client: EventStoreDBClient) => Promise<T>): Promise<T> {
    const client = this.current();
    let stopListening = (): void => undefined;
    const discarded = new Promise<never>((_resolve, reject) => {
      stopListening = this.onDiscard(client, () => reject(new ClientDiscarded()));
    });
    try {
      return await withTimeLimit(timeoutMs, Promise.race([run(client), discarded]));
    } catch (error) {
      if (error instanceof CallTimedOut || isPoisoned(error)) this.discard(client);
      throw error;
    } finally {
      stopListening();
    }
  }

  /** Like {@link call}, bounded in number, since each read is a stream of the connection. */
  async read<T>(timeoutMs: number, run: (client: EventStoreDBClient) => Promise<T>): Promise<T> {
    if (this.readsInFlight >= concurrentReadsMax)
      await new Promise<void>((resolve) => this.waitingReads.push(resolve));
    this.readsInFlight++;
    try {
      return await this.call(timeoutMs, run);
    } finally {
      this.readsInFlight--;
      this.waitingReads.shift()?.();
    }
  }

  /**
   * Tells when `client` is thrown away: a subscription on it may fall silent without an error. Returns the way to stop
   * listening.
   */
  onDiscard(client: EventStoreDBClient, listener: () => void): () => void {
    const listeners = this.discardListeners.get(client) ?? new Set();
    this.discardListeners.set(client, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /** Throws `client` away, unless that has happened: whoever used another one must not take the new one with it. */
  discard(client: EventStoreDBClient): void {
    if (this.client !== client) return;
    this.client = null;
    for (const listener of this.discardListeners.get(client) ?? []) listener();
    this.discardListeners.delete(client);
    // It may hang on the very connection that is broken; nobody waits for it.
    client.dispose().catch(() => undefined);
  }

  async close(): Promise<void> {
    this.closed = true;
    const client = this.client;
    this.client = null;
    if (client) await withTimeLimit(2_000, client.dispose()).catch(() => undefined);
  }
}

async function withTimeLimit<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new CallTimedOut(timeoutMs)), timeoutMs);
  });
  // The loser of the race may still reject later, when nobody listens.
  work.catch(() => undefined);
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
