import {
  BACKWARDS,
  END,
  FORWARDS,
  jsonEvent,
  binaryEvent,
  MaxAppendSizeExceededError,
  NO_STREAM,
  StreamNotFoundError,
  WrongExpectedVersionError,
  type EventData,
  type ResolvedEvent,
} from '@eventstore/db-client';
import { parseStreamName } from '../../../domain/stream-name';
import type { KeyRing } from '../keys/key-ring';
import { backOff, backoffMs } from './backoff';
import { isFinalAnswer, isInvalidPosition } from './client-errors';
import { clientUrl, connectionSettings } from './connection-settings';
import { ClientHolder } from './client-pool';
import { createEventCodec, type EventCodec, type StoredEvent } from './event-codec';
import {
  AppendTooLarge,
  EventStoreUnavailable,
  LogMismatch,
  OutcomeUnknown,
  RevisionConflict,
  UndecodableStream,
  type AppendResult,
  type EventStore,
  type EventToAppend,
  type ExpectedRevision,
  type LogEvent,
  type LogMessage,
  type LogReadOptions,
  type LogRecord,
  type LogRecordMessage,
  type RecordReadOptions,
  type StreamRead,
} from './event-store';
import { asLogRecord, isServersOwn } from './log-record';
import { readRecords } from './read-records';
import { NodeFinder, recordSubscription, typeFilter } from './record-subscription';

export interface EventStoreOptions {
  /** `esdb://host:port?tls=…`, a hosts list for a cluster. */
  readonly url: string;
  readonly keys: KeyRing;
  /** For one attempt of one call; default 3,000 ms. */
  readonly callTimeoutMs?: number;
  /** For an append with all its retries; default 8,000 ms. */
  readonly appendDeadlineMs?: number;
  /** Told about every reconnect, with the reason. */
  readonly onReconnect?: (error: unknown) => void;
}

/** The EventStore over `@eventstore/db-client`, with guards against the client's own bugs (event-store.md §2.3, §4.2). */
export function createEventStore(options: EventStoreOptions): EventStore {
  return new EsdbEventStore(options);
}

class EsdbEventStore implements EventStore {
  private readonly holder: ClientHolder;
  private readonly nodes: NodeFinder;
  private readonly codec: EventCodec;
  private readonly callTimeoutMs: number;
  private readonly appendDeadlineMs: number;

  constructor(private readonly options: EventStoreOptions) {
    this.holder = new ClientHolder(clientUrl(options.url));
    this.codec = createEventCodec(options.keys);
    this.callTimeoutMs = options.callTimeoutMs ?? 3_000;
    this.nodes = new NodeFinder(connectionSettings(options.url), this.callTimeoutMs);
    this.appendDeadlineMs = options.appendDeadlineMs ?? 8_000;
  }

  async readStream(
    streamName: string,
    { fromRevision = 0, maxCount = Number.MAX_SAFE_INTEGER } = {},
  ): Promise<StreamRead> {
    const resolved = await this.retrying(() =>
      this.holder.read(this.callTimeoutMs, async (client) => {
        const events: ResolvedEvent[] = [];
        const options = {
          direction: FORWARDS,
          fromRevision: BigInt(fromRevision),
          maxCount,
          requiresLeader: true,
        } as const;
        for await (const event of client.readStream(streamName, options)) events.push(event);
        return events;
      }),
    ).catch((error: unknown) => {
      if (error instanceof StreamNotFoundError) return [];
      throw error;
    });
    const events: StreamRead['events'] = [];
    for (const stored of resolved.flatMap(asLogRecords)) {
      const event = await this.codec.decode(stored);
      if ('undecodable' in event) throw new UndecodableStream(streamName, event.revision, event.reason);
      events.push(event);
    }
    return { events, revision: events.at(-1)?.revision ?? 'no-stream' };
  }

  async append(
    streamName: string,
    expected: ExpectedRevision,
    events: readonly EventToAppend[],
  ): Promise<AppendResult> {
    const stored = await Promise.all(events.map((event) => this.codec.encode(streamName, event)));
    const data = stored.map(asEventData);
    const deadline = Date.now() + this.appendDeadlineMs;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.appendOnce(streamName, expected, data);
      } catch (error) {
        if (error instanceof WrongExpectedVersionError) throw conflictOf(streamName, expected, error);
        if (error instanceof MaxAppendSizeExceededError)
          throw new AppendTooLarge(streamName, error.maxAppendSize);
        if (isFinalAnswer(error)) throw error;
        // The outcome is unknown, not a failure. The same ids at the same exact revision are written at most once.
        if (Date.now() + backoffMs(attempt) > deadline)
          throw new OutcomeUnknown(streamName, { cause: error });
        this.options.onReconnect?.(error);
        await backOff(attempt);
      }
    }
  }

  async *subscribe(options: LogReadOptions): AsyncGenerator<LogMessage> {
    for await (const message of this.recordMessages(options)) {
      if (message.kind !== 'record') {
        yield message;
      } else if (parseStreamName(message.record.streamName)) {
        const event = await this.openPatiently(message.record, options.signal);
        if (event === null) return;
        yield { kind: 'event', event };
      }
    }
  }

  subscribeRecords(options: Omit<LogReadOptions, 'withContent'>): AsyncIterable<LogRecordMessage> {
    return this.recordMessages({ ...options, withContent: true });
  }

  readRecords(options: RecordReadOptions): AsyncIterable<LogRecord> {
    return readRecords(this.nodes, options, this.options.onReconnect);
  }

  open(record: LogRecord): Promise<LogEvent> {
    return this.codec.decode(record);
  }

  async head(): Promise<bigint | null> {
    const pageSize = 64;
    let before: bigint | null = null;
    for (;;) {
      const fromPosition = before === null ? END : { commit: before, prepare: before };
      const page: LogRecord[] = await this.retrying(() =>
        this.holder.read(this.callTimeoutMs, async (client) => {
          const events: LogRecord[] = [];
          const read = client.readAll({
            direction: BACKWARDS,
            fromPosition,
            maxCount: pageSize,
            requiresLeader: true,
          });
          for await (const resolved of read) events.push(...asLogRecords(resolved));
          return events;
        }),
      );
      const ours = page.find((event) => parseStreamName(event.streamName));
      if (ours) return ours.position;
      const last = page.at(-1);
      if (!last || page.length < pageSize) return null;
      before = last.position;
    }
  }

  close(): Promise<void> {
    return this.holder.close();
  }

  private async *recordMessages(options: LogReadOptions): AsyncGenerator<LogRecordMessage> {
    const filter = typeFilter(options.withContent);
    let after = options.after;
    for (let failures = 0; !options.signal.aborted; failures++) {
      try {
        if (after) await this.demandEventAt(after);
        const request = { after: after?.position ?? null, filter, signal: options.signal };
        for await (const messages of recordSubscription(this.nodes, request)) {
          failures = 0;
          for (const message of messages) {
            if (message.kind === 'other') continue;
            if (message.kind === 'record') {
              const { position, id: eventId } = message.record;
              after = { position, eventId };
              if (isServersOwn(message.record)) continue;
            }
            yield message;
          }
        }
      } catch (error) {
        if (error instanceof LogMismatch) throw error;
        if (options.signal.aborted) return;
        // Being dropped is normal life: a slow consumer, an election, a restart. Resume from where we are.
        this.options.onReconnect?.(error);
        await backOff(failures, options.signal);
      }
    }
  }

  /** Waits for a key store that is away, as for a server that is; `null` when aborted meanwhile. */
  private async openPatiently(record: LogRecord, signal: AbortSignal): Promise<LogEvent | null> {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        return await this.codec.decode(record);
      } catch (error) {
        this.options.onReconnect?.(error);
        await backOff(failures, signal);
      }
    }
    return null;
  }

  private async appendOnce(
    streamName: string,
    expected: ExpectedRevision,
    events: EventData[],
  ): Promise<AppendResult> {
    const result = await this.holder.call(this.callTimeoutMs, (client) =>
      client.appendToStream(streamName, events, {
        expectedRevision: expected === 'no-stream' ? NO_STREAM : BigInt(expected),
        requiresLeader: true,
        deadline: this.callTimeoutMs,
      }),
    );
    const revision = Number(result.nextExpectedRevision);
    const position = result.position?.commit ?? (await this.positionOf(streamName, revision));
    return { revision, position };
  }

  private async positionOf(streamName: string, revision: number): Promise<bigint> {
    const { events } = await this.readStream(streamName, { fromRevision: revision, maxCount: 1 });
    const position = events[0]?.position;
    if (position === undefined)
      throw new EventStoreUnavailable(`${streamName} has no event at revision ${revision} after an append`);
    return position;
  }

  /** A checkpoint holds in one log only; another log, or a restored one, has another event there, or none. */
  private async demandEventAt({ position, eventId }: { position: bigint; eventId: string }): Promise<void> {
    const found = await this.retrying(() =>
      this.holder.read(this.callTimeoutMs, async (client) => {
        const read = client.readAll({
          direction: FORWARDS,
          fromPosition: { commit: position, prepare: position },
          maxCount: 1,
          requiresLeader: true,
        });
        for await (const resolved of read) return resolved.event?.id ?? null;
        return null;
      }),
    ).catch((error: unknown) => {
      if (error instanceof EventStoreUnavailable && isInvalidPosition(error.cause)) return null;
      throw error;
    });
    if (found === eventId) return;
    throw new LogMismatch(
      `the log has ${found ? `event ${found}` : 'no event'} at position ${position}, the checkpoint names ${eventId}: this is another log, or a restored one`,
    );
  }

  /** Reads change nothing, so any of their failures is worth a few more tries. */
  private async retrying<T>(run: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await run();
      } catch (error) {
        if (isFinalAnswer(error)) throw error;
        if (attempt === 4)
          throw new EventStoreUnavailable('the event store cannot be read', { cause: error });
        await backOff(attempt);
      }
    }
  }
}

function asLogRecords(resolved: ResolvedEvent): LogRecord[] {
  const record = asLogRecord(resolved);
  return record ? [record] : [];
}

function asEventData({ id, type, data, metadata }: StoredEvent): EventData {
  return data instanceof Uint8Array
    ? binaryEvent({ id, type, data, metadata })
    : jsonEvent({ id, type, data, metadata });
}

function conflictOf(
  streamName: string,
  expected: ExpectedRevision,
  error: WrongExpectedVersionError,
): RevisionConflict {
  const actual = error.actualVersion;
  return new RevisionConflict(
    streamName,
    expected,
    typeof actual === 'bigint' ? Number(actual) : 'no-stream',
  );
}
