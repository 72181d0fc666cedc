import { once } from 'node:events';
import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/**
 * What became of one try, as its client saw it: acknowledged, refused, or unknown. `info` is Jepsen's word for a try that
 * may have taken effect, may yet, or never will.
 */
export type Outcome = 'ok' | 'fail' | 'info';

/** One try of one command (reliability.md A2). A command whose outcome is unknown is tried again with the same event ids. */
export interface Operation {
  readonly opId: string;
  readonly commandId: string;
  readonly stream: string;
  readonly eventIds: readonly string[];
  /** Microseconds of the machine's monotonic clock, which all its processes share. */
  readonly invoke: number;
  readonly complete: number;
  readonly outcome: Outcome;
  /** Of the last event, as the answer named them; null unless `ok`. */
  readonly revision: number | null;
  readonly position: number | null;
  /** Why not `ok`. */
  readonly reason: string | null;
}

/** An event as the log holds it. Positions of the embedded node count events, so a number holds them. */
export interface LoggedEvent {
  readonly position: number;
  readonly stream: string;
  readonly revision: number;
  readonly eventId: string;
  readonly commandId: string;
  readonly type: string;
}

/** The whole log, read both ways. */
export interface LogDump {
  readonly all: readonly LoggedEvent[];
  readonly streams: ReadonlyMap<string, readonly LoggedEvent[]>;
}

/** What one live subscriber was given, in its order. */
export interface Delivery {
  readonly subscriber: string;
  /** Whether it asked for chunks of content too; without them the server filters. */
  readonly withContent: boolean;
  readonly events: readonly Pick<LoggedEvent, 'eventId' | 'position'>[];
  /** Why it gave up, if it did. */
  readonly failure: string | null;
}

/** The type a filtered subscriber does not get. */
export const contentType = 'MessageContentStored';

export function nowMicroseconds(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

/** Different ones: a command may be acknowledged more than once. */
export function acknowledgedEvents(operations: readonly Operation[]): number {
  return new Set(operations.flatMap(({ outcome, eventIds }) => (outcome === 'ok' ? eventIds : []))).size;
}

/** Writes one JSON document per line. */
export class JsonLines {
  private readonly file: WriteStream;

  constructor(path: string) {
    this.file = createWriteStream(path, { flags: 'a' });
  }

  write(value: object): void {
    this.file.write(`${JSON.stringify(value)}\n`);
  }

  async end(): Promise<void> {
    this.file.end();
    await once(this.file, 'finish');
  }
}

export async function* readJsonLines<T>(path: string): AsyncGenerator<T> {
  for await (const line of createInterface({ input: createReadStream(path) })) {
    if (line !== '') yield JSON.parse(line) as T;
  }
}
