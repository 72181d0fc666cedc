import { lastPositionOf, type LogRow } from './log-row';

const tailBytesMax = 16 * 1024 * 1024;
/** Rows let go are cut off a good many at a time: an append must not pay for the length of the tail. */
const tailWasteMax = 1 / 8;

/**
 * What is committed: the durable position, the rows at the end of the log kept in memory for live subscribers, and the
 * wake-up call when it grows. Readers hold nothing here, so a slow one costs nothing.
 */
export class DurableLog {
  private tail: LogRow[] = [];
  /** Index of the oldest row that counts. */
  private tailStart = 0;
  private tailBytes = 0;
  private readonly wakeUps = new Set<() => void>();

  private suspended = false;

  constructor(private durablePosition: number) {}

  /** Whether another node may be writing: the position here is then no longer the end of the log. */
  get isSuspended(): boolean {
    return this.suspended;
  }

  /** Until {@link resetTo}. */
  suspend(): void {
    this.suspended = true;
  }

  get position(): number {
    return this.durablePosition;
  }

  /** Adds committed rows, in their order. */
  advance(rows: readonly LogRow[]): void {
    for (const row of rows) {
      this.tail.push(row);
      this.tailBytes += row.frames.length;
      this.durablePosition = lastPositionOf(row);
    }
    this.shrink();
    this.wake();
  }

  /** After a reconnect: another node may have written meanwhile, so the rows in memory may no longer be the end. */
  resetTo(position: number): void {
    this.tail = [];
    this.tailStart = 0;
    this.tailBytes = 0;
    this.suspended = false;
    this.durablePosition = position;
    this.wake();
  }

  /** Rows holding events at or after `position`; `undefined` when memory does not reach back that far. */
  recentRows(position: number): readonly LogRow[] | undefined {
    const oldest = this.tail[this.tailStart];
    if (position > this.durablePosition) return [];
    if (oldest === undefined || position < oldest.position) return undefined;
    let low = this.tailStart;
    let high = this.tail.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      const row = this.tail[middle];
      if (row !== undefined && row.position <= position) low = middle;
      else high = middle;
    }
    return this.tail.slice(low, low + 512);
  }

  /** Resolves when the durable position has passed `position`, or when `signal` is aborted. */
  async waitBeyond(position: number, signal: AbortSignal): Promise<void> {
    while (this.durablePosition <= position && !signal.aborted) await this.nextAdvance(signal);
  }

  private nextAdvance(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wakeUp = (): void => {
        this.wakeUps.delete(wakeUp);
        signal.removeEventListener('abort', wakeUp);
        resolve();
      };
      this.wakeUps.add(wakeUp);
      signal.addEventListener('abort', wakeUp);
    });
  }

  private wake(): void {
    for (const wakeUp of [...this.wakeUps]) wakeUp();
  }

  private shrink(): void {
    while (this.tailBytes > tailBytesMax && this.tailStart < this.tail.length - 1) {
      this.tailBytes -= this.tail[this.tailStart]?.frames.length ?? 0;
      this.tailStart += 1;
    }
    if (this.tailStart <= this.tail.length * tailWasteMax) return;
    this.tail = this.tail.slice(this.tailStart);
    this.tailStart = 0;
  }
}
