import type {
  AppendResult,
  EventStore,
  EventToAppend,
  ExpectedRevision,
  LogEvent,
  LogMessage,
  LogRecord,
  LogRecordMessage,
  StreamRead,
  StreamReadOptions,
} from '../../shared/event-store/event-store';

/** The part of an event store that deciders and threading use: streams. There is no log behind it to subscribe to or read. */
export abstract class StreamsOnlyStore implements EventStore {
  abstract readStream(streamName: string, options?: StreamReadOptions): Promise<StreamRead>;

  abstract append(
    streamName: string,
    expected: ExpectedRevision,
    events: readonly EventToAppend[],
  ): Promise<AppendResult>;

  abstract head(): Promise<bigint | null>;

  subscribe(): AsyncIterable<LogMessage> {
    throw new Error('this store has no subscribers');
  }

  subscribeRecords(): AsyncIterable<LogRecordMessage> {
    throw new Error('this store has no subscribers');
  }

  readRecords(): AsyncIterable<LogRecord> {
    throw new Error('this store has no records');
  }

  readStreamRecords(): Promise<LogRecord[]> {
    throw new Error('this store has no records');
  }

  open(): Promise<LogEvent> {
    throw new Error('this store has no records');
  }

  async close(): Promise<void> {}
}
