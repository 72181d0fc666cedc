import type { LogLedger } from '../../log-ledger/log-ledger';
import { logRanges } from '../scan/log-ranges';
import type { LogRange } from '../scan/scan-plan';

/** Stretches of the log that stand for the whole of it. */
export interface LogSample {
  readonly stretches: readonly LogRange[];
  /** Events of the log up to the fence, as the ledger has counted them; without one, how many there are at most. */
  readonly events: number;
  readonly isCounted: boolean;
  /** How many times as much as the sample the log is. 1: the sample is the log. */
  readonly factor: number;
}

/** Below this, what is measured is the start of threads; a log of this size is read whole. */
export const sampleEventsMin = 60_000;
const shareOfLog = 0.02;
/** Few enough that ending one does not count, many enough to meet quiet and busy times. */
const stretchesMin = 6;

/**
 * So many stretches of like length, evenly over the log: 2 % of it, or what it takes to measure at all.
 * @param events how many the sample shall have; by default as said.
 */
export async function sampleOf(
  ledger: LogLedger | null,
  fence: bigint,
  readers: number,
  events?: number,
): Promise<LogSample> {
  const borders = ledger === null ? evenBorders(fence) : await segmentBorders(ledger, fence);
  const total = borders.at(-1)?.ordinal ?? 0;
  const isCounted = ledger !== null;
  const wanted = events ?? Math.max(sampleEventsMin, Math.ceil(total * shareOfLog));
  const count = Math.max(stretchesMin, 3 * readers);
  const perStretch = Math.ceil(wanted / count);
  if (wanted >= total || borders.length <= 2 * count)
    return {
      stretches: await logRanges(ledger, fence, { readers, isPart: false }),
      events: total,
      isCounted,
      factor: 1,
    };
  const stretches: LogRange[] = [];
  let sampled = 0;
  for (let index = 0; index < count; index++) {
    const start = borders.findIndex(({ ordinal }) => ordinal >= (index * total) / count);
    const first = borders[start];
    const end = first && borders.slice(start).find(({ ordinal }) => ordinal >= first.ordinal + perStretch);
    if (first === undefined || end === undefined) continue;
    stretches.push({ index: stretches.length, after: first.position, upTo: end.position });
    sampled += end.ordinal - first.ordinal;
  }
  return { stretches, events: total, isCounted, factor: total / sampled };
}

interface Border {
  readonly position: bigint;
  /** Events up to it. */
  readonly ordinal: number;
}

async function segmentBorders(ledger: LogLedger, fence: bigint): Promise<Border[]> {
  const borders: Border[] = [];
  for await (const { positionTo, ordinalTo } of ledger.segments(null)) {
    if (positionTo > fence) break;
    borders.push({ position: positionTo, ordinal: ordinalTo });
  }
  return borders;
}

const evenBordersMax = 1_000n;

function evenBorders(fence: bigint): Border[] {
  const width = fence / evenBordersMax + 1n;
  const borders: Border[] = [];
  for (let position = width; position < fence; position += width)
    borders.push({ position, ordinal: Number(position) });
  return [...borders, { position: fence, ordinal: Number(fence) }];
}
