import type { Pool } from 'pg';
import type { EventStore, LogReadOptions } from '../event-store/event-store';
import { addCensuses, count, countedEvent, type Census, type Tally } from './census';
import { segmentColumns, segmentOf, type SegmentRow } from './ledger-rows';
import type { Segment } from './segment';

/** A place in the log. */
export interface LogPlace {
  readonly position: bigint;
  /** How many events the log holds up to and including this one. */
  readonly ordinal: number;
  /** Log time there, ms since 1970: the latest creation time of any event so far. */
  readonly timeMs: number;
}

/** The ledger has not come as far as the question. */
export class BehindLedger extends Error {
  override readonly name = 'BehindLedger';

  constructor(position: bigint) {
    super(`the log ledger has not come to position ${position} yet`);
  }
}

const pageSize = 256;

/**
 * Reads the log ledger. Where a question ends inside a segment, that segment is read again from the log, 4,096 events at
 * most, so answers are exact as long as retention has taken nothing out of it. `pool` leads to the control database.
 */
export class LogLedger {
  constructor(
    private readonly pool: Pool,
    private readonly store: Pick<EventStore, 'readRecords'>,
  ) {}

  /** How far the ledger has come; null while it is empty. */
  async head(): Promise<LogPlace | null> {
    const last = await this.lastSegment();
    return last === null ? null : endOf(last);
  }

  /** The open segment as it is now; null while the ledger is empty. */
  async lastSegment(): Promise<Segment | null> {
    const [last] = await this.select('order by position_to desc limit 1');
    return last ?? null;
  }

  /** The checkpoint of the live tail; null before its first write. */
  async checkpoint(): Promise<LogReadOptions['after']> {
    const { rows } = await this.pool.query<{ position: string | null; event_id: string | null }>(
      'select commit_position as position, event_id from log_ledger_checkpoint',
    );
    const { position = null, event_id: eventId = null } = rows[0] ?? {};
    return position === null || eventId === null ? null : { position: BigInt(position), eventId };
  }

  /** Events and bytes of the whole ledger by type and schema version, in the order of their names. */
  async census(): Promise<{ name: string; events: number; bytes: number }[]> {
    const { rows } = await this.pool.query<{ name: string; events: string; bytes: string }>(
      `select name, sum((tally ->> 'events')::bigint) as events, sum((tally ->> 'bytes')::bigint) as bytes
       from log_ledger, jsonb_each(census) as counted (name, tally) group by name order by name collate "C"`,
    );
    return rows.map(({ name, events, bytes }) => ({ name, events: Number(events), bytes: Number(bytes) }));
  }

  /** How many events came in since the beginning of a minute, by log time; no segment reaches into two minutes. */
  async eventsSince(minuteMs: number): Promise<number> {
    const { rows } = await this.pool.query<{ events: string }>(
      'select coalesce(sum(events), 0) as events from log_ledger where time_to >= $1 and time_from >= $1',
      [new Date(minuteMs).toISOString()],
    );
    return Number(rows[0]?.events ?? 0);
  }

  /** The last event at or before `position`; null before the first one. @throws BehindLedger */
  async placeAt(position: bigint): Promise<LogPlace | null> {
    const [segment] = await this.select('where position_to >= $1 order by position_to limit 1', [
      position.toString(),
    ]);
    if (segment === undefined) throw new BehindLedger(position);
    if (segment.positionTo === position) return endOf(segment);
    return this.lastPlace(segment, (place) => place.position <= position);
  }

  /**
   * The last event that the log held at a time, by its own clock; null before the first one. `isSettled` is false while the
   * ledger holds nothing later: events of that time may still be on their way.
   */
  async placeAtTime(timeMs: number): Promise<{ place: LogPlace | null; isSettled: boolean }> {
    const [segment] = await this.select('where time_to > $1 order by time_to, position_to limit 1', [
      new Date(timeMs).toISOString(),
    ]);
    if (segment === undefined) return { place: await this.head(), isSettled: false };
    return { place: await this.lastPlace(segment, (place) => place.timeMs <= timeMs), isSettled: true };
  }

  /** What lies behind `after` (null: the start) up to and including `upTo`. @throws BehindLedger */
  async censusOf(after: bigint | null, upTo: bigint): Promise<Census> {
    let sum: Census = new Map();
    if (after !== null && upTo <= after) return sum;
    let previousEnd = after;
    for await (const segment of this.segments(after)) {
      const isWhole = segment.positionTo <= upTo && (after === null || segment.positionFrom > after);
      const part = isWhole
        ? segment.census
        : await this.countInLog(previousEnd, segment.positionTo < upTo ? segment.positionTo : upTo);
      sum = addCensuses(sum, part);
      if (segment.positionTo >= upTo) return sum;
      previousEnd = segment.positionTo;
    }
    throw new BehindLedger(upTo);
  }

  /** From the first segment that ends behind `after` (null: all), in order, each as it is when its turn comes. */
  async *segments(after: bigint | null): AsyncGenerator<Segment> {
    let end = after ?? -1n;
    for (;;) {
      const page = await this.select(`where position_to > $1 order by position_to limit ${pageSize}`, [
        end.toString(),
      ]);
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < pageSize) return;
      end = last.positionTo;
    }
  }

  private async select(clauses: string, values: readonly string[] = []): Promise<Segment[]> {
    const { rows } = await this.pool.query<SegmentRow>(
      `select ${segmentColumns} from log_ledger ${clauses}`,
      [...values],
    );
    return rows.map(segmentOf);
  }

  /** The last event, from the one before the segment on, up to which all satisfy `isWithin`. */
  private async lastPlace(
    segment: Segment,
    isWithin: (place: LogPlace) => boolean,
  ): Promise<LogPlace | null> {
    const [before] = await this.select('where position_to < $1 order by position_to desc limit 1', [
      segment.positionFrom.toString(),
    ]);
    let place = before === undefined ? null : endOf(before);
    for await (const { position, createdAtMs } of this.read(place?.position ?? null, segment.positionTo)) {
      const timeMs = Math.max(createdAtMs, place?.timeMs ?? createdAtMs);
      const next = { position, timeMs, ordinal: (place?.ordinal ?? 0) + 1 };
      if (!isWithin(next)) break;
      place = next;
    }
    return place;
  }

  private async countInLog(after: bigint | null, upTo: bigint): Promise<Census> {
    const census = new Map<string, Tally>();
    for await (const record of this.read(after, upTo)) count(census, countedEvent(record));
    return census;
  }

  private read(after: bigint | null, upTo: bigint) {
    const { signal } = new AbortController();
    return this.store.readRecords({ after, upTo, withContent: true, signal });
  }
}

function endOf({ positionTo, ordinalTo, timeToMs }: Segment): LogPlace {
  return { position: positionTo, ordinal: ordinalTo, timeMs: timeToMs };
}
