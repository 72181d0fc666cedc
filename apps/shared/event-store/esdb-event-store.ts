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
  type EventStoreDBClient,
} from '@eventstore/db-client';
import { parseStreamName } from '../../../domain/stream-name';
import type { KeyRing } from '../keys/key-ring';
import { backOff, backoffMs } from './backoff';
import { isAccessDenied, isFinalAnswer } from './client-errors';
import { clientUrl, connectionSettings } from './connection-settings';
import { ClientHolder } from './client-holder';
import { createEventCodec, type EventCodec, type StoredEvent } from './event-codec';
import {
  AppendTooLarge,
  EventStoreUnavailable,
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
  type StreamReadOptions,
} from './event-store';
import { followRecords } from './follow-records';
import { asLogRecord } from './log-record';
import { readRecords } from './read-records';
import { NodeFinder } from './record-subscription';

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

const readAttemptsMax = 5;
/** The head is nearly always among the last few records, which may be chunks of half a megabyte. */
const headPage = { first: 4, further: 64 };

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

  async readStreamRecords(
    streamName: string,
    { fromRevision = 0, maxCount = Number.MAX_SAFE_INTEGER, last }: StreamReadOptions = {},
  ): Promise<LogRecord[]> {
    const range =
      last === undefined
        ? ({ direction: FORWARDS, fromRevision: BigInt(fromRevision), maxCount } as const)
        : ({ direction: BACKWARDS, fromRevision: END, maxCount: last } as const);
    const records = await this.read((client) =>
      client.readStream(streamName, { ...range, requiresLeader: true }),
    ).catch((error: unknown) => {
      if (error instanceof StreamNotFoundError) return [];
      throw error;
    });
    return last === undefined ? records : records.reverse();
  }

  async readStream(streamName: string, options?: StreamReadOptions): Promise<StreamRead> {
    const events: StreamRead['events'] = [];
    for (const record of await this.readStreamRecords(streamName, options)) {
      const event = await this.codec.decode(record);
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
        if (isAccessDenied(error)) throw accessDenied(error);
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
    for await (const message of followRecords(this.nodes, options, this.options.onReconnect)) {
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
    return followRecords(this.nodes, { ...options, withContent: true }, this.options.onReconnect);
  }

  readRecords(options: RecordReadOptions): AsyncIterable<LogRecord> {
    return readRecords(this.nodes, options, this.options.onReconnect);
  }

  open(record: LogRecord): LogEvent | Promise<LogEvent> {
    return this.codec.decode(record);
  }

  async head(): Promise<bigint | null> {
    let before: bigint | null = null;
    for (let maxCount = headPage.first; ; maxCount = headPage.further) {
      const fromPosition = before === null ? END : { commit: before, prepare: before };
      const page: LogRecord[] = await this.read((client) =>
        client.readAll({ direction: BACKWARDS, fromPosition, maxCount, requiresLeader: true }),
      );
      const ours = page.find((record) => parseStreamName(record.streamName));
      if (ours) return ours.position;
      const last = page.at(-1);
      if (!last || page.length < maxCount) return null;
      before = last.position;
    }
  }

  close(): Promise<void> {
    return this.holder.close();
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

  /** Reads change nothing, so any of their failures is worth a few more tries. The limit is on silence, not on length. */
  private async read(
    start: (client: EventStoreDBClient) => AsyncIterable<Parameters<typeof asLogRecord>[0]>,
  ): Promise<LogRecord[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.holder.read(this.callTimeoutMs, async (client, heard) => {
          const records: LogRecord[] = [];
          for await (const resolved of start(client)) {
            heard();
            const record = asLogRecord(resolved);
            if (record) records.push(record);
          }
          return records;
        });
      } catch (error) {
        if (isAccessDenied(error)) throw accessDenied(error);
        if (isFinalAnswer(error)) throw error;
        if (attempt === readAttemptsMax)
          throw new EventStoreUnavailable('the event store cannot be read', { cause: error });
        await backOff(attempt - 1);
      }
    }
  }
}

function accessDenied(cause: unknown): EventStoreUnavailable {
  return new EventStoreUnavailable('the event store refuses access: see the credentials in its URL', {
    cause,
  });
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
