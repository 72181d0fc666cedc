import type { EventStore, LogEvent, LogRecord } from '../../event-store/event-store';
import type { ContentReader } from '../../projecting/content-reader';
import type { ReadableEvent } from '../../projecting/fold-event';

/** A record of the log with what it holds. */
export interface OpenedRecord {
  readonly record: LogRecord;
  /** As tiers without content see it. */
  readonly plain: LogEvent;
  /** As tiers with content see it; null for a chunk. */
  readonly joined: ReadableEvent | null;
}

/** Mails being parsed while further ones are read: enough to keep a second core busy. */
const aheadMax = { records: 32, bytes: 8 * 1024 * 1024 };

/**
 * Opens records and joins their content, in their order, several together. It runs ahead while a mail is parsed elsewhere;
 * whatever is at hand at once costs no promise: nearly all is. Throws what log, keys or parser throw.
 * @param content null: nobody wants any.
 */
export async function* readAhead(
  batches: AsyncIterable<readonly LogRecord[]>,
  store: Pick<EventStore, 'open'>,
  content: ContentReader | null,
): AsyncGenerator<readonly OpenedRecord[]> {
  const ahead = new Ahead();
  for await (const records of batches) {
    const ready: OpenedRecord[] = [];
    for (const record of records) {
      const opened = store.open(record);
      const plain = opened instanceof Promise ? await opened : opened;
      ahead.add(record, plain, content === null ? plain : content.join(plain));
      while (ahead.isFull) ready.push(await ahead.first());
    }
    ahead.takeKnown(ready);
    yield ready;
  }
  const rest: OpenedRecord[] = [];
  while (!ahead.isEmpty) rest.push(await ahead.first());
  yield rest;
}

interface Pending {
  readonly record: LogRecord;
  readonly plain: LogEvent;
  joined: ReadableEvent | null | Promise<ReadableEvent | null>;
}

/** Records whose turn has not come: the first of them waits for its content. */
class Ahead {
  private readonly pending: Pending[] = [];
  private bytes = 0;

  get isEmpty(): boolean {
    return this.pending.length === 0;
  }

  get isFull(): boolean {
    return this.pending.length > aheadMax.records || (this.bytes > aheadMax.bytes && !this.isEmpty);
  }

  add(record: LogRecord, plain: LogEvent, joined: Pending['joined']): void {
    const pending: Pending = { record, plain, joined };
    this.pending.push(pending);
    this.bytes += record.byteCount;
    if (!(joined instanceof Promise)) return;
    // A failure shows when its turn comes; before that it is no unhandled one.
    joined.then(
      (event) => (pending.joined = event),
      () => undefined,
    );
  }

  /** Moves those from the first on whose content is known. */
  takeKnown(ready: OpenedRecord[]): void {
    let count = 0;
    for (const { record, plain, joined } of this.pending) {
      if (joined instanceof Promise) break;
      ready.push({ record, plain, joined });
      this.bytes -= record.byteCount;
      count += 1;
    }
    this.pending.splice(0, count);
  }

  async first(): Promise<OpenedRecord> {
    const { record, plain, joined } = this.pending.shift()!;
    this.bytes -= record.byteCount;
    return { record, plain, joined: await joined };
  }
}
