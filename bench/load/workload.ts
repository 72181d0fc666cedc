import { createCipheriv, createHash } from 'node:crypto';
import { v4 as uuidFromBytes } from 'uuid';

/** About 1,000 bytes as JSON, the event id included. */
export interface EventData {
  readonly eventId: string;
  readonly conversationId: string;
  readonly sender: string;
  readonly subject: string;
  readonly preview: string;
}

export interface PlannedEvent {
  readonly id: string;
  readonly type: string;
  readonly data: EventData;
}

/** One append at an exact revision; `expected` is −1 for a new stream. */
export interface PlannedAppend {
  readonly streamName: string;
  readonly expected: number;
  readonly events: readonly PlannedEvent[];
}

export interface WorkloadOptions {
  readonly seed: number;
  /** Part of all stream names. A log that cannot be emptied holds the streams of earlier runs of the same seed. */
  readonly namespace?: string;
  readonly eventsPerAppend: number;
  /** The first of them creates the stream. */
  readonly appendsPerStream: number;
  /** Of several generators that share one seed: each has streams and ids of its own. */
  readonly part: { readonly index: number; readonly of: number };
  /** Streams the log holds already. Every second stream is then one of these, so half the load extends what is old. */
  readonly stored?: StoredStreams;
}

export interface StoredStreams {
  readonly seed: number;
  readonly streamCount: number;
  readonly eventsPerStream: number;
}

const payloadCount = 64;
/** A prime: streams that are extended one after the other do not lie beside each other in the log. */
const storedStride = 7_919;
const dataBytes = 1_000;
export const eventType = 'MessageReceived';

/** Bytes that look random and are the same for the same seed: the key stream of a cipher. */
export class SeededBytes {
  private readonly stream;
  private block = Buffer.alloc(0);
  private at = 0;

  constructor(seed: string) {
    const key = createHash('sha256').update(seed).digest();
    this.stream = createCipheriv('aes-256-ctr', key, Buffer.alloc(16));
  }

  take(count: number): Buffer {
    if (this.at + count > this.block.length) {
      this.block = this.stream.update(Buffer.alloc(Math.max(16_384, count)));
      this.at = 0;
    }
    this.at += count;
    return this.block.subarray(this.at - count, this.at);
  }

  uuid(): string {
    return uuidFromBytes({ random: this.take(16) });
  }
}

/** The name has a UUID in it, as names have in production: its entry goes anywhere in an index, not to its end. */
export function streamNameOf(bytes: SeededBytes, namespace = ''): string {
  return `conversation-${namespace}${bytes.uuid()}`;
}

/** By its place in the fill, so that any of a million can be named without the others. */
export function storedStreamName({ seed }: StoredStreams, index: number): string {
  return streamNameOf(new SeededBytes(`stored stream ${seed} ${index}`));
}

/** Of the fill's events, in the order of its log. */
export function storedEventIds({ seed }: StoredStreams): () => string {
  const bytes = new SeededBytes(`stored events ${seed}`);
  return () => bytes.uuid();
}

/** Bodies shared by all events; which one an event has follows from its id, so a reader can tell without being told. */
export class Payloads {
  private readonly payloads: readonly Omit<EventData, 'eventId'>[];

  constructor(seed: number) {
    const bytes = new SeededBytes(`payloads ${seed}`);
    this.payloads = Array.from({ length: payloadCount }, () => payload(bytes));
  }

  dataOf(id: string): EventData {
    return { eventId: id, ...this.of(id) };
  }

  isDataOf(id: string, data: Partial<EventData>): boolean {
    const { conversationId, preview } = this.of(id);
    return data.eventId === id && data.conversationId === conversationId && data.preview === preview;
  }

  private of(id: string): Omit<EventData, 'eventId'> {
    const chosen = this.payloads[Number.parseInt(id.slice(0, 4), 16) % payloadCount];
    if (chosen === undefined) throw new Error(`${id} is no id of this workload`);
    return chosen;
  }
}

function payload(bytes: SeededBytes): Omit<EventData, 'eventId'> {
  const head = {
    conversationId: bytes.uuid(),
    sender: `${bytes.take(6).toString('hex')}@example.com`,
    subject: `Re: ${bytes.take(18).toString('base64')}`,
  };
  const room = dataBytes - JSON.stringify({ eventId: head.conversationId, ...head, preview: '' }).length;
  return { ...head, preview: bytes.take(room).toString('base64').slice(0, room) };
}

/** Plans the appends of one run. Each worker has a stream of its own, so expected revisions are exact by design. */
export class Workload {
  readonly payloads: Payloads;
  private readonly bytes: SeededBytes;
  private readonly turns = new Map<number, { streamName: string; revision: number; appends: number }>();
  private streamCount = 0;

  constructor(private readonly options: WorkloadOptions) {
    this.payloads = new Payloads(options.seed);
    this.bytes = new SeededBytes(`workload ${options.seed} ${options.part.index}`);
  }

  /** To be acknowledged before the same worker asks again. */
  next(worker: number): PlannedAppend {
    const { eventsPerAppend, appendsPerStream } = this.options;
    const turn = this.turns.get(worker);
    const stream = turn !== undefined && turn.appends < appendsPerStream ? turn : this.openStream();
    const events = Array.from({ length: eventsPerAppend }, () => this.event());
    this.turns.set(worker, {
      streamName: stream.streamName,
      revision: stream.revision + eventsPerAppend,
      appends: stream.appends + 1,
    });
    return { streamName: stream.streamName, expected: stream.revision, events };
  }

  private event(): PlannedEvent {
    const id = this.bytes.uuid();
    return { id, type: eventType, data: this.payloads.dataOf(id) };
  }

  private openStream(): { streamName: string; revision: number; appends: number } {
    const { stored, namespace, part } = this.options;
    this.streamCount += 1;
    const storedIndex = Math.floor(this.streamCount / 2) * part.of + part.index;
    if (stored === undefined || this.streamCount % 2 === 1 || storedIndex > stored.streamCount)
      return { streamName: streamNameOf(this.bytes, namespace), revision: -1, appends: 0 };
    const streamName = storedStreamName(stored, (storedIndex * storedStride) % stored.streamCount);
    return { streamName, revision: stored.eventsPerStream - 1, appends: 0 };
  }
}
