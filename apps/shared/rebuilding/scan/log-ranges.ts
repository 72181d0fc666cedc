import type { LogLedger } from '../../log-ledger/log-ledger';
import type { LogRange } from './scan-plan';

/**
 * A range is what a kill costs at most, per reader, and what keeps the readers evenly at work; each costs a file, and a
 * connection to the log.
 */
const eventsPerRange = { min: 64, max: 65_536, ofPart: 1_048_576 };
/** Fewer, and the readers would be idle while the last one ends. */
const rangesPerReaderMin = 6;

export interface RangeReaders {
  readonly readers: number;
  /** Only some streams are read: the server passes over the others at little cost. */
  readonly isPart: boolean;
}

/**
 * The log up to the fence in ranges, in order, without a gap. Cut at ends of ledger segments, which every log has an event
 * at; without a ledger at any position, which needs a log whose positions count events.
 */
export async function logRanges(
  ledger: LogLedger | null,
  fence: bigint,
  readers: RangeReaders,
): Promise<LogRange[]> {
  const borders = ledger === null ? bordersOf(fence, readers) : await segmentBorders(ledger, fence, readers);
  return [...borders, fence].map((upTo, index) => ({ index, after: borders[index - 1] ?? null, upTo }));
}

function bordersOf(fence: bigint, readers: RangeReaders): bigint[] {
  const width = BigInt(rangeSize(Number(fence), readers));
  const borders: bigint[] = [];
  for (let border = width; border < fence; border += width) borders.push(border);
  return borders;
}

async function segmentBorders(ledger: LogLedger, fence: bigint, readers: RangeReaders): Promise<bigint[]> {
  const head = await ledger.head();
  const wanted = rangeSize(head?.ordinal ?? 0, readers);
  const borders: bigint[] = [];
  let events = 0;
  for await (const segment of ledger.segments(null)) {
    if (segment.positionTo >= fence) break;
    events += segment.events;
    if (events < wanted) continue;
    borders.push(segment.positionTo);
    events = 0;
  }
  return borders;
}

function rangeSize(events: number, { readers, isPart }: RangeReaders): number {
  if (isPart) return eventsPerRange.ofPart;
  const even = Math.ceil(events / (readers * rangesPerReaderMin));
  return Math.min(eventsPerRange.max, Math.max(eventsPerRange.min, even));
}
