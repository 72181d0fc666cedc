import type { LogRecord } from '../event-store/event-store';
import { addDigests, digestOf, emptyDigest, type IdDigest } from './id-digest';

/** How many events, their bytes of data and metadata as stored, and the digest of their ids. */
export interface Tally {
  readonly events: number;
  readonly bytes: number;
  readonly digest: IdDigest;
}

/**
 * A tally per type and schema version, under names like `MessageReceived.v1`. Digests are kept per name because a reader
 * may leave types out on the server: what it saw is proved by the sum of the names it asked for.
 */
export type Census = ReadonlyMap<string, Tally>;

/** What the ledger looks at in an event of the log. Nothing is opened for it, so what cannot be decoded counts as well. */
export interface CountedEvent {
  readonly id: string;
  readonly type: string;
  /** As the metadata has it, whatever it is. */
  readonly schemaVersion: unknown;
  readonly position: bigint;
  /** When the server stored it, ms since 1970. */
  readonly createdAtMs: number;
  readonly byteCount: number;
}

export function countedEvent(record: LogRecord): CountedEvent {
  const { id, type, position, createdAtMs, byteCount, metadata } = record;
  return { id, type, schemaVersion: metadata['schemaVersion'], position, createdAtMs, byteCount };
}

export const emptyTally: Tally = { events: 0, bytes: 0, digest: emptyDigest };

export function addTallies(a: Tally, b: Tally): Tally {
  return {
    events: a.events + b.events,
    bytes: a.bytes + b.bytes,
    digest: addDigests(a.digest, b.digest),
  };
}

/** An event without a whole number for its version is listed as `.v?`, under its type all the same. */
export function censusName(type: string, schemaVersion: unknown): string {
  return `${type}.v${Number.isInteger(schemaVersion) ? String(schemaVersion) : '?'}`;
}

/** Counts an event; `census` is the caller's own. */
export function count(
  census: Map<string, Tally>,
  { id, type, schemaVersion, byteCount }: CountedEvent,
): void {
  const name = censusName(type, schemaVersion);
  const tally = { events: 1, bytes: byteCount, digest: digestOf(id) };
  census.set(name, addTallies(census.get(name) ?? emptyTally, tally));
}

export function addCensuses(a: Census, b: Census): Census {
  const sum = new Map(a);
  for (const [name, tally] of b) sum.set(name, addTallies(sum.get(name) ?? emptyTally, tally));
  return sum;
}

export function totalOf(census: Census): Tally {
  return [...census.values()].reduce(addTallies, emptyTally);
}
