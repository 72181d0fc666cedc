import type { Census, Tally } from './census';
import { digestFromHex, digestToHex } from './id-digest';
import type { Segment } from './segment';

/** As node-postgres hands on a row of `log_ledger` (migrations/control/0003). */
export interface SegmentRow {
  readonly position_from: string;
  readonly position_to: string;
  readonly ordinal_to: string;
  readonly events: number;
  readonly bytes: string;
  readonly digest_hi: string;
  readonly digest_lo: string;
  readonly time_from: Date;
  readonly time_to: Date;
  readonly census: Readonly<Record<string, StoredTally>>;
}

interface StoredTally {
  readonly events: number;
  readonly bytes: number;
  readonly digest: string;
}

export const segmentColumns =
  'position_from, position_to, ordinal_to, events, bytes, digest_hi, digest_lo, time_from, time_to, census';

export function segmentOf(row: SegmentRow): Segment {
  return {
    positionFrom: BigInt(row.position_from),
    positionTo: BigInt(row.position_to),
    ordinalTo: Number(row.ordinal_to),
    events: row.events,
    bytes: Number(row.bytes),
    digest: { hi: BigInt(row.digest_hi), lo: BigInt(row.digest_lo) },
    timeFromMs: row.time_from.getTime(),
    timeToMs: row.time_to.getTime(),
    census: new Map(Object.entries(row.census).map(([name, tally]) => [name, tallyOf(tally)])),
  };
}

/** Values in the order of {@link segmentColumns}. */
export function valuesOf(segment: Segment): (string | number)[] {
  return [
    segment.positionFrom.toString(),
    segment.positionTo.toString(),
    segment.ordinalTo,
    segment.events,
    segment.bytes,
    segment.digest.hi.toString(),
    segment.digest.lo.toString(),
    new Date(segment.timeFromMs).toISOString(),
    new Date(segment.timeToMs).toISOString(),
    JSON.stringify(censusRecord(segment.census)),
  ];
}

/** For JSON: names to figures, the digest in hex. */
export function censusRecord(census: Census): Record<string, StoredTally> {
  return Object.fromEntries(
    [...census].map(([name, { digest, ...tally }]) => [name, { ...tally, digest: digestToHex(digest) }]),
  );
}

function tallyOf({ digest, ...tally }: StoredTally): Tally {
  return { ...tally, digest: digestFromHex(digest) };
}
