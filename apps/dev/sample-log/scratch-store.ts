import type { MailfoldEvent } from '../../../domain/catalogue.events';
import type { Recorded } from '../../../domain/event';
import {
  RevisionConflict,
  type AppendResult,
  type EventToAppend,
  type ExpectedRevision,
  type StreamRead,
  type StreamReadOptions,
} from '../../shared/event-store/event-store';
import { StreamsOnlyStore } from './streams-only-store';

/** One append as it is to be written. */
export interface SampleAppend {
  readonly streamName: string;
  readonly expected: ExpectedRevision;
  readonly events: readonly EventToAppend[];
}

/**
 * The streams of one part of a sample log while they are written, in memory: deciders and threading work on it as on a
 * server, and what they append is collected. Positions are its own and lead nowhere. One writer, so nothing is repeated.
 */
export class ScratchStore extends StreamsOnlyStore {
  private readonly streams = new Map<string, Recorded<MailfoldEvent>[]>();
  private appends: SampleAppend[] = [];
  private lastPosition = 0n;

  /** What was appended since the last call. */
  takeAppends(): SampleAppend[] {
    const taken = this.appends;
    this.appends = [];
    return taken;
  }

  override async readStream(
    streamName: string,
    { fromRevision = 0, maxCount = Number.MAX_SAFE_INTEGER, last }: StreamReadOptions = {},
  ): Promise<StreamRead> {
    const stream = this.streams.get(streamName) ?? [];
    const from = last === undefined ? fromRevision : Math.max(0, stream.length - last);
    const events = stream.slice(from, from + (last ?? maxCount));
    return { events, revision: events.at(-1)?.revision ?? 'no-stream' };
  }

  override async append(
    streamName: string,
    expected: ExpectedRevision,
    events: readonly EventToAppend[],
  ): Promise<AppendResult> {
    const stream = this.streams.get(streamName) ?? [];
    const actual = stream.at(-1)?.revision ?? 'no-stream';
    if (actual !== expected) throw new RevisionConflict(streamName, expected, actual);
    for (const { id, event, metadata } of events) {
      const place = { streamName, revision: stream.length, position: (this.lastPosition += 1n) };
      stream.push({ ...event, id, metadata, ...place });
    }
    this.streams.set(streamName, stream);
    if (events.length > 0) this.appends.push({ streamName, expected, events });
    return { revision: stream.length - 1, position: this.lastPosition };
  }

  override async head(): Promise<bigint | null> {
    return this.lastPosition === 0n ? null : this.lastPosition;
  }
}
