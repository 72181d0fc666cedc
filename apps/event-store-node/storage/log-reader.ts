import { setImmediate as nextTurn } from 'node:timers/promises';
import { Pool } from 'pg';
import type { Logger } from '../../shared/process/log';
import { unavailableError } from '../grpc/grpc-status';
import type { DurableLog } from '../log/durable-log';
import { lastPositionOf, type LogRow } from '../log/log-row';
import { isSoftDeleted, noMetadata, parseStreamMetadata, type StreamMetadata } from '../log/stream-metadata';
import { isMetastream, metastreamOf, baseStreamOf } from '../log/stream-names';
import { eventData, splitFrames } from '../wire/event-frames';
import { uint63Max } from '../../shared/protobuf/protobuf-reader';
import { keyAccessOptions } from './key-access';
import {
  canSearch,
  lastRows,
  rowsBackward,
  rowsBackwardMatching,
  rowsForward,
  rowsForwardMatching,
  streamRowsBackward,
  streamRowsForward,
} from './log-queries';

const connectionsMax = 4;
/** The only bound on a server that is frozen. */
const answerTimeoutMs = 10_000;
const pageBytes = 1024 * 1024;
const pageRowsFirst = 64;
const pageRowsMax = 1_000;

/** What reads need to know of a stream, as committed. */
export interface StreamInfo {
  readonly last: number;
  readonly tombstoned: boolean;
  readonly softDeleted: boolean;
  readonly metadata: StreamMetadata;
}

/**
 * Pages of the committed log, from memory where it reaches back far enough. Rejects with UNAVAILABLE when PostgreSQL does not
 * answer: readers come back by themselves.
 */
export class LogReader {
  private readonly pool: Pool;

  constructor(
    databaseUrl: string,
    readonly durable: DurableLog,
    private readonly log: Logger,
  ) {
    this.pool = new Pool({
      connectionString: databaseUrl,
      max: connectionsMax,
      connectionTimeoutMillis: answerTimeoutMs,
      query_timeout: answerTimeoutMs,
      options: keyAccessOptions,
    });
    this.pool.on('error', (error) => this.log.debug({ err: error }, 'an idle reading connection broke'));
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  /**
   * Position of the last event of the log at this moment. Rejects with UNAVAILABLE while this node may not be the one that
   * writes. After a pause of the process the end of its session waits to be heard, hence two turns of the event loop first:
   * the one that the call came in may have asked before the pause which sockets have something to say, the next has not.
   */
  async head(): Promise<number> {
    await nextTurn();
    await nextTurn();
    if (this.durable.isSuspended) throw unavailableError();
    return this.durable.position;
  }

  /** Rows that hold events at or after `position`, without those that end before it. */
  async forward(position: number, page: PageSize): Promise<readonly LogRow[]> {
    const recent = this.durable.recentRows(position);
    const rows = recent ?? (await this.query(() => rowsForward(this.pool, position, page.rows)));
    page.learn(rows);
    return rows.filter((row) => lastPositionOf(row) >= position);
  }

  /**
   * The next stretch of the log from `position` on, which must be durable: its rows, as {@link forward} gives them, and the
   * position it ends at. With `prefixes`, rows of streams that begin with none of them may be left out.
   */
  async stretch(
    position: number,
    page: PageSize,
    prefixes: readonly string[] | null,
  ): Promise<{ rows: readonly LogRow[]; endsAt: number }> {
    const head = this.durable.position;
    if (prefixes === null || !canSearch(prefixes) || this.durable.recentRows(position) !== undefined) {
      const rows = await this.forward(position, page);
      const last = rows.at(-1);
      return { rows, endsAt: last === undefined ? position - 1 : lastPositionOf(last) };
    }
    const found = await this.query(() => rowsForwardMatching(this.pool, position, page.rows, prefixes));
    page.learn(found.rows);
    const rows = found.rows.filter((row) => lastPositionOf(row) >= position);
    // What became durable meanwhile may or may not have been seen.
    const last = rows.at(-1);
    const seen = Math.max(Math.min(found.searchedTo, head), last === undefined ? 0 : lastPositionOf(last));
    return { rows, endsAt: seen };
  }

  async backward(
    before: number,
    page: PageSize,
    prefixes: readonly string[] | null = null,
  ): Promise<readonly LogRow[]> {
    const rows = await this.query(() =>
      prefixes === null || !canSearch(prefixes)
        ? rowsBackward(this.pool, before, page.rows)
        : rowsBackwardMatching(this.pool, before, page.rows, prefixes),
    );
    page.learn(rows);
    return rows;
  }

  async streamForward(streamName: string, revision: number, page: PageSize): Promise<readonly LogRow[]> {
    const rows = await this.query(() => streamRowsForward(this.pool, streamName, revision, page.rows));
    page.learn(rows);
    return rows.filter((row) => row.revision + row.count - 1 >= revision);
  }

  async streamBackward(streamName: string, revision: number, page: PageSize): Promise<readonly LogRow[]> {
    const rows = await this.query(() => streamRowsBackward(this.pool, streamName, revision, page.rows));
    page.learn(rows);
    return rows;
  }

  async streamInfo(streamName: string): Promise<StreamInfo> {
    const base = baseStreamOf(streamName);
    const rows = await this.query(() => lastRows(this.pool, [base, metastreamOf(base)]));
    const ofBase = rows.filter((row) => row.streamName === base);
    const tombstoned = ofBase.some((row) => row.revision >= uint63Max);
    const metadataRow = rows.findLast((row) => row.streamName === metastreamOf(base));
    if (isMetastream(streamName))
      return {
        last: lastRevision(metadataRow),
        tombstoned,
        softDeleted: false,
        metadata: { ...noMetadata, maxCount: 1 },
      };
    const frame = metadataRow === undefined ? undefined : splitFrames(metadataRow.frames).at(-1);
    const metadata = frame === undefined ? noMetadata : parseStreamMetadata(eventData(frame));
    const last = lastRevision(ofBase.findLast((row) => row.revision < uint63Max));
    return { last, tombstoned, softDeleted: isSoftDeleted(metadata), metadata };
  }

  private async query<Result>(run: () => Promise<Result>): Promise<Result> {
    try {
      return await run();
    } catch (error) {
      this.log.warn({ err: error }, 'a read failed');
      throw unavailableError();
    }
  }
}

function lastRevision(row: LogRow | undefined): number {
  return row === undefined ? -1 : row.revision + row.count - 1;
}

/** How many rows to ask for, so that a page stays near 1 MiB whatever the size of the appends. One per reader. */
export class PageSize {
  rows: number;

  /** `eventsMax`: no more rows than events are wanted. */
  constructor(private readonly eventsMax = pageRowsMax) {
    this.rows = Math.max(2, Math.min(pageRowsFirst, eventsMax));
  }

  learn(page: readonly LogRow[]): void {
    const byteCount = page.reduce((sum, row) => sum + row.frames.length, 0);
    if (byteCount === 0) return;
    const fitting = Math.floor((pageBytes * page.length) / byteCount);
    // A first row may end before the wanted place, so a page of one could stand still.
    this.rows = Math.max(2, Math.min(fitting, pageRowsMax, this.eventsMax));
  }
}
