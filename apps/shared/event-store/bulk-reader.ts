import type { KeyRing } from '../keys/key-ring';
import { backOff } from './backoff';
import type { ConnectionSettings } from './connection-settings';
import { createEventCodec, type EventCodec } from './event-codec';
import {
  EventStoreUnavailable,
  UndecodableStream,
  type EventStore,
  type LogEvent,
  type LogRecord,
  type RecordReadOptions,
  type StreamRead,
  type StreamReadOptions,
} from './event-store';
import { decodeReadMessage, readPath, streamRequest } from './read-protocol';
import { readRecordBatches, readRecords } from './read-records';
import { NodeFinder } from './record-subscription';

const callTimeoutMs = 3_000;
const readAttemptsMax = 5;
/** More than any stream has. */
const everything = 2 ** 31 - 1;

type StreamPart = Pick<StreamReadOptions, 'fromRevision' | 'maxCount'>;

export interface BulkReaderOptions {
  /** Plain data, so that a thread can be given it: to read it from a URL takes the whole official client. */
  readonly connection: ConnectionSettings;
  readonly keys: KeyRing;
}

/**
 * The log for whoever reads much of it and nothing else. Without the official client, which takes a tenth of a second and
 * 15 MB in each thread that loads it, and without a means to append.
 */
export class BulkReader implements Pick<
  EventStore,
  'readStream' | 'readStreamRecords' | 'readRecords' | 'open'
> {
  private readonly nodes: NodeFinder;
  private readonly codec: EventCodec;

  constructor({ connection, keys }: BulkReaderOptions) {
    this.nodes = new NodeFinder(connection, callTimeoutMs);
    this.codec = createEventCodec(keys);
  }

  /** Like {@link readRecords}, as many at a time as come together. */
  readBatches(options: RecordReadOptions): AsyncIterable<readonly LogRecord[]> {
    return readRecordBatches(this.nodes, options, undefined);
  }

  readRecords(options: RecordReadOptions): AsyncIterable<LogRecord> {
    return readRecords(this.nodes, options, undefined);
  }

  open(record: LogRecord): LogEvent | Promise<LogEvent> {
    return this.codec.decode(record);
  }

  async readStream(streamName: string, part: StreamPart = {}): Promise<StreamRead> {
    const events: StreamRead['events'] = [];
    for (const record of await this.readStreamRecords(streamName, part)) {
      const event = await this.codec.decode(record);
      if ('undecodable' in event) throw new UndecodableStream(streamName, event.revision, event.reason);
      events.push(event);
    }
    return { events, revision: events.at(-1)?.revision ?? 'no-stream' };
  }

  /** Throws {@link EventStoreUnavailable} when no try of five comes through. */
  async readStreamRecords(
    streamName: string,
    { fromRevision = 0, maxCount = everything }: StreamPart = {},
  ): Promise<LogRecord[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.readOnce(streamRequest(streamName, fromRevision, maxCount));
      } catch (error) {
        this.nodes.failed(error);
        if (attempt === readAttemptsMax)
          throw new EventStoreUnavailable('the event store cannot be read', { cause: error });
        await backOff(attempt - 1);
      }
    }
  }

  /** A stream that is not there has no record among the messages of its answer. */
  private async readOnce(request: Buffer): Promise<LogRecord[]> {
    const connection = await this.nodes.connect();
    try {
      const records: LogRecord[] = [];
      const call = { path: readPath, request, silenceMs: callTimeoutMs, requiresLeader: true };
      for await (const bodies of connection.call(call))
        for (const message of bodies.map(decodeReadMessage))
          if (message.kind === 'record') records.push(message.record);
      return records;
    } finally {
      connection.close();
    }
  }
}
