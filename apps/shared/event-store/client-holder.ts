import { EventStoreDBClient } from '@eventstore/db-client';
import { CallTimedOut } from './call-errors';
import { ClientDiscarded, isFinalAnswer, isPoisoned } from './client-errors';
import { decodeBodiesNatively, forgiveLateReplies, trackChannels } from './client-internals';

/**
 * Reads in flight on one connection. A server allows 100 streams; the 101st waits without an error (event-store.md §4), and
 * appends take one more for all of them.
 */
const concurrentReadsMax = 64;

/** So long may a client go without a single answer, looking for a node, before another one is tried (event-store.md §4.2). */
const patienceMs = 30_000;

/** Runs on one client; calls `heard` whenever a part of the answer comes, which starts the time limit anew. */
export type ClientCall<T> = (client: EventStoreDBClient, heard: () => void) => Promise<T>;

/**
 * Holds the one client of this process and replaces it when it is of no more use. One, because the client keeps its pending
 * appends in a module-wide map that several clients would reject for each other (event-store.md §2.3).
 */
export class ClientHolder {
  private held: HeldClient | null = null;
  private readsInFlight = 0;
  private readonly waitingReads: (() => void)[] = [];
  private closed = false;

  constructor(private readonly url: string) {}

  /**
   * Runs one call under our own time limit. A client that is thrown away cancels its reads, and a cancelled read ends like
   * one that has reached the end: so every call that was under way on it fails, whatever it seems to have answered.
   */
  async call<T>(timeoutMs: number, run: ClientCall<T>): Promise<T> {
    const held = this.current();
    const startedAt = Date.now();
    const limit = new TimeLimit(timeoutMs);
    held.limits.add(limit);
    try {
      const work = run(held.client, () => {
        limit.restart();
        held.answered();
      });
      const result = await limit.over(work);
      held.answered();
      return result;
    } catch (error) {
      if (isFinalAnswer(error)) held.answered();
      else if (held.isSpentAfter(error, startedAt)) this.discard(held);
      throw error;
    } finally {
      held.limits.delete(limit);
    }
  }

  /** Like {@link call}, bounded in number, since each read is a stream of the connection. */
  async read<T>(timeoutMs: number, run: ClientCall<T>): Promise<T> {
    if (this.readsInFlight < concurrentReadsMax) this.readsInFlight++;
    else await new Promise<void>((resolve) => this.waitingReads.push(resolve));
    try {
      return await this.call(timeoutMs, run);
    } finally {
      // The place goes straight to the next one, so that nobody who comes now can take it as well.
      const next = this.waitingReads.shift();
      if (next) next();
      else this.readsInFlight--;
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    const held = this.held;
    this.held = null;
    await held?.close();
  }

  private current(): HeldClient {
    if (this.closed) throw new Error('the event store client is closed');
    this.held ??= new HeldClient(this.url);
    return this.held;
  }

  /** Unless that has happened: whoever used another client must not take the new one with it. */
  private discard(held: HeldClient): void {
    if (this.held !== held) return;
    this.held = null;
    // It may hang on the very connection that is broken; nobody waits for it.
    void held.close();
  }
}

/** A client, and what is known of its health. */
class HeldClient {
  readonly client: EventStoreDBClient;
  /** Of the calls under way. */
  readonly limits = new Set<TimeLimit>();
  private answeredAt: number | null = null;
  private failingSince: number | null = null;
  private readonly closeChannels: () => void;

  constructor(url: string) {
    decodeBodiesNatively();
    this.client = EventStoreDBClient.connectionString(url);
    this.closeChannels = trackChannels(this.client);
    forgiveLateReplies(this.client);
  }

  answered(): void {
    this.answeredAt = Date.now();
    this.failingSince = null;
  }

  /**
   * Whether only another client can help: this one is poisoned; it was connected, and has been silent to everybody while a
   * call waited in vain; or it has failed for too long, whatever the reason. A client that has never answered may still be
   * looking for a node: each new one would only begin that search again.
   */
  isSpentAfter(error: unknown, startedAt: number): boolean {
    this.failingSince ??= startedAt;
    if (isPoisoned(error) || Date.now() - this.failingSince >= patienceMs) return true;
    return error instanceof CallTimedOut && this.answeredAt !== null && this.answeredAt < startedAt;
  }

  /** Never throws, and waits for nothing that a broken connection could hold up. */
  async close(): Promise<void> {
    for (const limit of this.limits) limit.end(new ClientDiscarded());
    await new TimeLimit(2_000).over(this.client.dispose()).catch(() => undefined);
    this.closeChannels();
  }
}

/** Bounds how long some work may be silent. */
class TimeLimit {
  private timer: NodeJS.Timeout | undefined;
  /** Fails the work, whatever becomes of it. */
  end: (error: Error) => void = () => undefined;

  constructor(private readonly timeoutMs: number) {}

  async over<T>(work: Promise<T>): Promise<T> {
    const ended = new Promise<never>((_resolve, reject) => (this.end = reject));
    this.timer = setTimeout(() => this.end(new CallTimedOut(this.timeoutMs)), this.timeoutMs);
    // The loser of the race may still reject later, when nobody listens.
    work.catch(() => undefined);
    try {
      return await Promise.race([work, ended]);
    } finally {
      clearTimeout(this.timer);
    }
  }

  restart(): void {
    this.timer?.refresh();
  }
}
