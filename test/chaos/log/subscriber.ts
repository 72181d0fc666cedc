import { setTimeout as delay } from 'node:timers/promises';
import type { EventStore, LogReadOptions } from '../../../apps/shared/event-store/event-store';
import type { Random } from '../../../apps/dev/sample-log/random';
import type { Delivery, LoggedEvent } from './history';

const pollIntervalMs = 50;

/** Reads the log live from its start, and remembers what it was given. */
export class Subscriber {
  private readonly events: Pick<LoggedEvent, 'eventId' | 'position'>[] = [];
  private failure: string | null = null;
  private readonly stopping = new AbortController();
  private readonly running: Promise<void>;

  /** With `random` it gives its subscription up now and then, and takes a new one from its checkpoint. */
  constructor(
    private readonly store: EventStore,
    private readonly name: string,
    readonly withContent: boolean,
    private readonly random: Random | null,
  ) {
    this.running = this.run().catch((error: unknown) => {
      this.failure = error instanceof Error ? error.message : String(error);
    });
  }

  get eventCount(): number {
    return this.events.length;
  }

  /** False when it has not got there within `timeoutMs`. */
  async reaches(position: number, timeoutMs: number): Promise<boolean> {
    const deadline = Date.now() + timeoutMs;
    while ((this.events.at(-1)?.position ?? -1) < position) {
      if (Date.now() > deadline || this.failure !== null) return false;
      await delay(pollIntervalMs);
    }
    return true;
  }

  async stop(): Promise<Delivery> {
    this.stopping.abort();
    await this.running;
    const { name: subscriber, withContent, events, failure } = this;
    return { subscriber, withContent, events, failure };
  }

  private async run(): Promise<void> {
    let after: LogReadOptions['after'] = null;
    while (!this.stopping.signal.aborted) {
      let left = this.random?.between(100, 2_000) ?? Infinity;
      const options: LogReadOptions = { after, withContent: this.withContent, signal: this.stopping.signal };
      for await (const message of this.store.subscribe(options)) {
        if (message.kind !== 'event') continue;
        const { id: eventId, position } = message.event;
        this.events.push({ eventId, position: Number(position) });
        after = { position, eventId };
        if (--left <= 0) break;
      }
    }
  }
}
