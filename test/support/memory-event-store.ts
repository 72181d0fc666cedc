import type { MailfoldEvent } from '../../domain/catalogue.events';
import type { Recorded } from '../../domain/event';
import {
  RevisionConflict,
  type AppendResult,
  type EventStore,
  type EventToAppend,
  type ExpectedRevision,
  type StreamRead,
  type StreamReadOptions,
} from '../../apps/shared/event-store/event-store';
import { StreamsOnlyStore } from '../../apps/dev/sample-log/streams-only-store';

type Call = { readonly kind: 'read' | 'append'; readonly streamName: string };

/**
 * The log's revision rules and nothing else, for properties that need thousands of runs: exact expected revisions, and a
 * repeat of the same ids at the same revision succeeds again. What runs on a real node is tested on one.
 * `before` and `after` surround every call: there a test lets others go first, or pulls the plug.
 */
export class MemoryEventStore extends StreamsOnlyStore {
  readonly log: Recorded<MailfoldEvent>[] = [];
  private readonly streams = new Map<string, Recorded<MailfoldEvent>[]>();
  before: (call: Call) => Promise<void> | void = () => undefined;
  after: (call: Call) => Promise<void> | void = () => undefined;

  override async readStream(
    streamName: string,
    { fromRevision = 0, maxCount = Number.MAX_SAFE_INTEGER, last }: StreamReadOptions = {},
  ): Promise<StreamRead> {
    await this.before({ kind: 'read', streamName });
    const stream = this.streams.get(streamName) ?? [];
    const from = last === undefined ? fromRevision : Math.max(0, stream.length - last);
    const events = stream.slice(from, from + (last ?? maxCount));
    await this.after({ kind: 'read', streamName });
    return { events, revision: events.at(-1)?.revision ?? 'no-stream' };
  }

  override async append(
    streamName: string,
    expected: ExpectedRevision,
    events: readonly EventToAppend[],
  ): Promise<AppendResult> {
    await this.before({ kind: 'append', streamName });
    const result = this.appendNow(streamName, expected, events);
    await this.after({ kind: 'append', streamName });
    return result;
  }

  /** The same log as another process sees it: nothing a process keeps in memory about its store is shared. */
  ofAnotherProcess(): EventStore {
    return new SeenByAnotherProcess(this);
  }

  override async head(): Promise<bigint | null> {
    return this.log.at(-1)?.position ?? null;
  }

  private appendNow(
    streamName: string,
    expected: ExpectedRevision,
    events: readonly EventToAppend[],
  ): AppendResult {
    const stream = this.streams.get(streamName) ?? [];
    const from = expected === 'no-stream' ? 0 : expected + 1;
    const isRepeat =
      stream.length >= from + events.length && events.every(({ id }, i) => stream[from + i]?.id === id);
    if (!isRepeat) {
      if (stream.length !== from) {
        throw new RevisionConflict(streamName, expected, stream.at(-1)?.revision ?? 'no-stream');
      }
      for (const { id, event, metadata } of events) {
        const place = { streamName, revision: stream.length, position: BigInt(this.log.length + 1) };
        const recorded = { ...event, id, metadata, ...place } as Recorded<MailfoldEvent>;
        stream.push(recorded);
        this.log.push(recorded);
      }
      this.streams.set(streamName, stream);
    }
    const last = stream[from + events.length - 1];
    return { revision: last?.revision ?? -1, position: last?.position ?? 0n };
  }
}

class SeenByAnotherProcess extends StreamsOnlyStore {
  constructor(private readonly store: EventStore) {
    super();
  }

  override readStream(streamName: string, options?: StreamReadOptions): Promise<StreamRead> {
    return this.store.readStream(streamName, options);
  }

  override append(
    streamName: string,
    expected: ExpectedRevision,
    events: readonly EventToAppend[],
  ): Promise<AppendResult> {
    return this.store.append(streamName, expected, events);
  }

  override head(): Promise<bigint | null> {
    return this.store.head();
  }
}
