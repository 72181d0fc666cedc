import type { ClientBase, Pool, QueryConfig } from 'pg';
import { uint63Max } from '../../shared/protobuf/protobuf-reader';
import { lastPositionOf, type LogRow } from '../log/log-row';
import { readBinaryRows } from './binary-rows';

type Queryable = ClientBase | Pool;
interface StoredRow {
  pos: string;
  stream: string;
  rev: string;
  n: number;
  frames: Buffer | null;
}

const revisionMaxText = '9223372036854775807';
const columns = 'pos, stream, rev, n, frames';

/** A 64-bit column's text. Values only the tombstone has become {@link uint63Max} in either direction. */
export function revisionText(revision: number): string {
  return revision >= uint63Max ? revisionMaxText : String(revision);
}

function toLogRow(row: StoredRow): LogRow {
  return {
    position: Number(row.pos),
    streamName: row.stream,
    revision: Number(row.rev),
    count: row.n,
    frames: row.frames ?? Buffer.alloc(0),
  };
}

async function rows(db: Queryable, query: QueryConfig): Promise<LogRow[]> {
  return (await db.query<StoredRow>(query)).rows.map(toLogRow);
}

/** Rows that hold events at or after `position`, oldest first. What replays read: most bytes leave by this way. */
export function rowsForward(pool: Pool, position: number, rowsMax: number): Promise<LogRow[]> {
  const from = revisionText(position);
  return readBinaryRows(
    pool,
    `select ${columns} from appends where pos >= coalesce((select max(pos) from appends where pos <= ${from}), ${from})
     order by pos limit ${rowsMax}`,
  );
}

/** How many positions one query looks at, so that a stretch without a match is no query without an end. */
const positionsPerSearch = 200_000;
/** Text that means itself in a literal, whatever is in it. */
const plainText = /^[\w.$-]+$/;

/** Whether rows can be looked up by these beginnings of stream names. */
export function canSearch(prefixes: readonly string[]): boolean {
  return prefixes.length > 0 && prefixes.every((prefix) => plainText.test(prefix));
}

/**
 * As {@link rowsForward}, of streams whose names begin with one of `prefixes` ({@link canSearch}), and how far was looked:
 * up to and including `searchedTo`, where that is in the log already.
 */
export async function rowsForwardMatching(
  pool: Pool,
  position: number,
  rowsMax: number,
  prefixes: readonly string[],
): Promise<{ rows: LogRow[]; searchedTo: number }> {
  const from = revisionText(position);
  const found = await readBinaryRows(
    pool,
    `select ${columns} from appends
     where pos >= coalesce((select max(pos) from appends where pos <= ${from}), ${from})
       and pos < ${from} + ${positionsPerSearch} and ${streamsBeginWith(prefixes)}
     order by pos limit ${rowsMax}`,
  );
  const last = found.at(-1);
  const isWhole = last === undefined || found.length < rowsMax;
  return {
    rows: found,
    searchedTo: isWhole ? position + positionsPerSearch - 1 : lastPositionOf(last),
  };
}

/** By ranges of names in byte order, which the index of streams is in, and of events only, which is all that it has. */
function streamsBeginWith(prefixes: readonly string[]): string {
  const ranges = prefixes.map((prefix) => {
    const behind = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
    return `(stream >= '${prefix}' and stream < '${behind}')`;
  });
  return `n > 0 and (${ranges.join(' or ')})`;
}

/** As {@link rowsBackward}, of streams whose names begin with one of `prefixes` ({@link canSearch}). */
export function rowsBackwardMatching(
  db: Queryable,
  position: number,
  rowsMax: number,
  prefixes: readonly string[],
): Promise<LogRow[]> {
  return rows(db, {
    text: `select ${columns} from appends where pos < $1 and ${streamsBeginWith(prefixes)}
           order by pos desc limit $2`,
    values: [revisionText(position), rowsMax],
  });
}

/** Rows that begin before `position`, newest first. */
export function rowsBackward(db: Queryable, position: number, rowsMax: number): Promise<LogRow[]> {
  return rows(db, {
    name: 'rows-backward',
    text: `select ${columns} from appends where pos < $1 order by pos desc limit $2`,
    values: [revisionText(position), rowsMax],
  });
}

/** Rows of a stream that hold events at or after `revision`, oldest first. */
export function streamRowsForward(
  db: Queryable,
  streamName: string,
  revision: number,
  rowsMax: number,
): Promise<LogRow[]> {
  return rows(db, {
    name: 'stream-rows-forward',
    text: `select ${columns} from appends where stream = $1 and n > 0 and rev >= coalesce(
             (select max(rev) from appends where stream = $1 and n > 0 and rev <= $2), $2) order by rev limit $3`,
    values: [streamName, revisionText(revision), rowsMax],
  });
}

/** Rows of a stream that begin at or before `revision`, newest first. */
export function streamRowsBackward(
  db: Queryable,
  streamName: string,
  revision: number,
  rowsMax: number,
): Promise<LogRow[]> {
  return rows(db, {
    name: 'stream-rows-backward',
    text: `select ${columns} from appends where stream = $1 and n > 0 and rev <= $2 order by rev desc limit $3`,
    values: [streamName, revisionText(revision), rowsMax],
  });
}

/** Where to begin in one stream, and how many rows to take at most. */
export interface StreamPlace {
  readonly streamName: string;
  readonly revision: number;
  readonly rowsMax: number;
}

/** For each place what {@link streamRowsForward} reads, in one round trip. */
export async function rowsAtPlaces(db: Queryable, places: readonly StreamPlace[]): Promise<LogRow[][]> {
  const found = await db.query<StoredRow & { place: number }>({
    name: 'rows-at-places',
    text: `select p.place::int, p.stream, h.pos, h.rev, h.n, h.frames
           from unnest($1::text[], $2::bigint[], $3::int[]) with ordinality as p(stream, rev, wanted, place)
           cross join lateral (
             select pos, rev, n, frames from appends where stream = p.stream and n > 0 and rev >= coalesce(
               (select max(rev) from appends where stream = p.stream and n > 0 and rev <= p.rev), p.rev)
             order by rev limit p.wanted) as h
           order by p.place, h.rev`,
    values: [
      places.map(({ streamName }) => streamName),
      places.map(({ revision }) => revisionText(revision)),
      places.map(({ rowsMax }) => rowsMax),
    ],
  });
  const byPlace: LogRow[][] = places.map(() => []);
  for (const row of found.rows) byPlace[row.place - 1]?.push(toLogRow(row));
  return byPlace;
}

/**
 * The last row of each stream, and the last below its tombstone if it has one. Frames are loaded of metastreams only:
 * their last event is the metadata. Streams without events are absent.
 */
export function lastRows(db: Queryable, streamNames: readonly string[]): Promise<LogRow[]> {
  return rows(db, {
    name: 'last-rows',
    text: `select h.pos, s.name as stream, h.rev, h.n, case when s.name like '$$%' then h.frames end as frames
           from unnest($1::text[]) as s(name)
           cross join lateral (select pos, rev, n, frames from appends
                               where stream = s.name and n > 0 order by rev desc limit 2) as h
           order by h.rev`,
    values: [streamNames],
  });
}

export async function rowAt(db: Queryable, position: number): Promise<LogRow | undefined> {
  const found = await rows(db, {
    name: 'row-at',
    text: `select ${columns} from appends where pos = $1`,
    values: [position],
  });
  return found[0];
}

/** The end of the log; `undefined` while it is empty. */
export async function lastRow(db: Queryable): Promise<LogRow | undefined> {
  const found = await rows(db, {
    name: 'last-row',
    text: `select pos, stream, rev, n, null::bytea as frames from appends order by pos desc limit 1`,
    values: [],
  });
  return found[0];
}
