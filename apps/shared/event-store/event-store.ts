import type { MailfoldEvent } from '../../../domain/catalogue.events';
import type { Event, EventMetadata, Recorded } from '../../../domain/event';

/** An event on its way into the log. The id makes a retry recognisable: uuidv5(commandId, index), or of the causation. */
export interface EventToAppend<E extends Event = MailfoldEvent> {
  readonly id: string;
  readonly event: E;
  readonly metadata: EventMetadata;
}

/** `no-stream`, or the exact revision the stream must be at. ANY does not exist here: a retry with it writes twice. */
export type ExpectedRevision = number | 'no-stream';

export interface AppendResult {
  readonly revision: number;
  /** Position of the append's last event. */
  readonly position: bigint;
}

export interface StreamRead {
  readonly events: Recorded<MailfoldEvent>[];
  /** Revision of the last event read, or `no-stream`. */
  readonly revision: ExpectedRevision;
}

/** Either a range from `fromRevision` (default 0) on, or the `last` events. */
export type StreamReadOptions =
  | { readonly fromRevision?: number; readonly maxCount?: number; readonly last?: never }
  | { readonly last: number; readonly fromRevision?: never; readonly maxCount?: never };

/** An event whose type, version or bytes this build cannot read. Readers park it with the reason; nothing skips it. */
export interface UndecodableEvent {
  readonly undecodable: true;
  readonly id: string;
  readonly streamName: string;
  readonly type: string;
  readonly revision: number;
  readonly position: bigint;
  readonly reason: string;
}

export type LogEvent = Recorded<MailfoldEvent> | UndecodableEvent;

export type LogMessage =
  | { readonly kind: 'event'; readonly event: LogEvent }
  /** Everything up to `position` was considered by the server; nothing of ours lies between the last event and it. */
  | { readonly kind: 'checkpoint'; readonly position: bigint }
  /** The reader has reached the end of the log and is live. */
  | { readonly kind: 'caught-up' };

/** An event as it lies in the log, opened by nobody: nothing is unsealed, nothing upcast. */
export interface LogRecord {
  readonly id: string;
  readonly streamName: string;
  readonly type: string;
  readonly revision: number;
  readonly position: bigint;
  /** When the server stored it, ms since 1970 by the server's clock. */
  readonly createdAtMs: number;
  /** Size of data and metadata as stored, bytes. */
  readonly byteCount: number;
  /** Empty where it is no JSON object. */
  readonly metadata: Record<string, unknown>;
  /** The object where the data is JSON and one; else the bytes. */
  readonly data: Uint8Array | Record<string, unknown>;
}

export type LogRecordMessage =
  { readonly kind: 'record'; readonly record: LogRecord } | Exclude<LogMessage, { readonly kind: 'event' }>;

export interface LogReadOptions {
  /** Exclusive; `null` reads from the start. */
  readonly after: { readonly position: bigint; readonly eventId: string } | null;
  /** Whether the sealed chunks of raw MIME are wanted. Without them the server leaves them out. */
  readonly withContent: boolean;
  readonly signal: AbortSignal;
}

export interface RecordReadOptions {
  /** Exclusive; `null` reads from the start. */
  readonly after: bigint | null;
  /** Inclusive; by default, and at most, the end of the log as the read begins. */
  readonly upTo?: bigint;
  /** As in {@link LogReadOptions}. */
  readonly withContent: boolean;
  /** Only streams whose names begin with one of these; the server leaves out the others. */
  readonly streamPrefixes?: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * The one door to the log. Errors: {@link RevisionConflict} when the stream is elsewhere, {@link OutcomeUnknown} when
 * nobody can say yet whether an append happened (retry with the same ids), {@link EventStoreUnavailable} otherwise.
 */
export interface EventStore {
  /** Events of one stream, in order. A missing stream reads as empty. */
  readStream(streamName: string, options?: StreamReadOptions): Promise<StreamRead>;
  /** Like {@link readStream}, unopened: also of a stream that holds what this build cannot read. */
  readStreamRecords(streamName: string, options?: StreamReadOptions): Promise<LogRecord[]>;
  /** Atomic; resolves only when the events are durable. A repeat of the same ids at the same revision succeeds again. */
  append(
    streamName: string,
    expected: ExpectedRevision,
    events: readonly EventToAppend[],
  ): Promise<AppendResult>;
  /**
   * The log from `after` on, then live, until aborted. Reconnects by itself. Throws {@link LogMismatch} when the event at
   * `after` is not the one named there: another log, or a restored one (event-store.md §4.2).
   */
  subscribe(options: LogReadOptions): AsyncIterable<LogMessage>;
  /** Like {@link subscribe}, but of every record that is not the server's own (`$…`), content included, unopened. */
  subscribeRecords(options: Omit<LogReadOptions, 'withContent'>): AsyncIterable<LogRecordMessage>;
  /**
   * The records of a part of the log, in order, without the server's own; then ends, and at once when aborted. Reconnects
   * by itself: it never ends early. Throws {@link EventStoreUnavailable} when nothing more comes for a minute.
   */
  readRecords(options: RecordReadOptions): AsyncIterable<LogRecord>;
  /** The event as {@link subscribe} would have handed it on: unsealed and upcast, or undecodable with the reason. */
  open(record: LogRecord): LogEvent | Promise<LogEvent>;
  /** Position of the last event of ours, or `null` for an empty log. */
  head(): Promise<bigint | null>;
  close(): Promise<void>;
}

export class RevisionConflict extends Error {
  constructor(
    readonly streamName: string,
    readonly expected: ExpectedRevision,
    readonly actual: ExpectedRevision,
  ) {
    super(`${streamName} is at ${actual}, not at ${expected}`);
    this.name = 'RevisionConflict';
  }
}

export class OutcomeUnknown extends Error {
  constructor(streamName: string, options?: ErrorOptions) {
    super(`the event store did not say whether it appended to ${streamName}`, options);
    this.name = 'OutcomeUnknown';
  }
}

export class EventStoreUnavailable extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EventStoreUnavailable';
  }
}

export class LogMismatch extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LogMismatch';
  }
}

/** The events of one append exceed what the server takes at once (1 MiB unless set otherwise). */
export class AppendTooLarge extends Error {
  constructor(streamName: string, sizeMaxBytes: number) {
    super(`an append to ${streamName} exceeds the ${sizeMaxBytes} bytes that the event store takes at once`);
    this.name = 'AppendTooLarge';
  }
}

/** A stream holds an event this build cannot read; nothing may be decided upon half a history. */
export class UndecodableStream extends Error {
  constructor(
    readonly streamName: string,
    readonly revision: number,
    reason: string,
  ) {
    super(`${streamName} cannot be read at revision ${revision}: ${reason}`);
    this.name = 'UndecodableStream';
  }
}
