import {
  eventTypeFilter,
  START,
  TimeoutError,
  type AllStreamResolvedEvent,
  type AllStreamSubscription,
} from '@eventstore/db-client';
import type { ClientHolder } from './client-pool';
import type { LogReadOptions } from './event-store';

/** What a raw subscription hands on, in the order the server sent it. */
export type RawMessage =
  | { readonly kind: 'event'; readonly resolved: AllStreamResolvedEvent }
  | { readonly kind: 'checkpoint'; readonly position: bigint }
  | { readonly kind: 'caught-up' };

// A negative filter, so that a type this build does not know still arrives, to be parked.
const ourEvents = '^[^$]';
const ourEventsWithoutContent = '^(?!\\$|MessageContentStored$)';

/** Messages held in memory before the socket is paused: back-pressure reaches the server through flow control. */
const bufferedMessagesMax = 256;

/**
 * One server subscription as an ordered async sequence; ends by throwing when the server drops it, or quietly when aborted.
 * `for await` over the client's stream would lose the order of caught-up and checkpoints, which come beside the events.
 */
export async function* rawSubscription(
  holder: ClientHolder,
  after: bigint | null,
  options: Pick<LogReadOptions, 'withContent' | 'signal'>,
): AsyncGenerator<RawMessage> {
  const inbox = new Inbox();
  const client = holder.current();
  const stopListening = holder.onDiscard(client, () => inbox.end(new Error('the client was replaced')));
  const subscription = client.subscribeToAll({
    fromPosition: after === null ? START : { commit: after, prepare: after },
    filter: eventTypeFilter({
      regex: options.withContent ? ourEvents : ourEventsWithoutContent,
      maxSearchWindow: 512,
      checkpointInterval: 4,
      checkpointReached: (_subscription, { commit }) =>
        inbox.mark(subscription, { kind: 'checkpoint', position: commit }),
    }),
  });
  const abort = (): void => inbox.end(null);
  options.signal.addEventListener('abort', abort, { once: true });
  subscription
    .on('data', (resolved: AllStreamResolvedEvent) => inbox.push(subscription, { kind: 'event', resolved }))
    .on('caughtUp', () => inbox.mark(subscription, { kind: 'caught-up' }))
    .on('error', (error) => inbox.end(error))
    .on('end', () => inbox.end(new Error('the server ended the subscription')))
    .on('close', () => inbox.end(new Error('the subscription was closed')));
  if (options.signal.aborted) abort();
  try {
    yield* inbox.messages(subscription);
  } catch (error) {
    // The client that failed, and no other: by now another subscription may have made a new one. A server that drops a
    // slow consumer says nothing about the connection, which others are using.
    if (!(error instanceof TimeoutError)) holder.discard(client);
    throw error;
  } finally {
    stopListening();
    options.signal.removeEventListener('abort', abort);
    subscription.unsubscribe().catch(() => undefined);
  }
}

/** Puts events and the signals that travel beside them back into one order, and pauses the stream when full. */
class Inbox {
  private readonly queue: RawMessage[] = [];
  /** Signals that came while events still lay in the stream's own buffer, each with the count of events before it. */
  private readonly marks: { afterEvents: number; message: RawMessage }[] = [];
  private eventsSeen = 0;
  private ended: { error: Error | null } | null = null;
  private wake: (() => void) | null = null;

  push(subscription: AllStreamSubscription, message: RawMessage): void {
    this.queue.push(message);
    this.eventsSeen++;
    this.releaseMarks();
    if (this.queue.length >= bufferedMessagesMax) subscription.pause();
    this.wake?.();
  }

  mark(subscription: AllStreamSubscription, message: RawMessage): void {
    this.marks.push({ afterEvents: this.eventsSeen + subscription.readableLength, message });
    this.releaseMarks();
    this.wake?.();
  }

  end(error: Error | null): void {
    this.ended ??= { error };
    this.wake?.();
  }

  async *messages(subscription: AllStreamSubscription): AsyncGenerator<RawMessage> {
    for (;;) {
      const message = this.queue.shift();
      if (message) {
        if (this.queue.length === 0 && subscription.isPaused()) subscription.resume();
        yield message;
      } else if (this.ended) {
        if (this.ended.error) throw this.ended.error;
        return;
      } else {
        await new Promise<void>((resolve) => (this.wake = resolve));
        this.wake = null;
      }
    }
  }

  private releaseMarks(): void {
    while (this.marks[0] && this.marks[0].afterEvents <= this.eventsSeen) {
      const mark = this.marks.shift();
      if (mark) this.queue.push(mark.message);
    }
  }
}
