import { randomUUID } from 'node:crypto';
import type { GrpcCall } from '../grpc/grpc-call';
import { GrpcError, grpcCode } from '../grpc/grpc-status';
import { firstPosition, lastPositionOf, type LogRow } from '../log/log-row';
import { PageSize, type LogReader } from '../storage/log-reader';
import { readResponse, type ReadFrom, type ReadRequest } from '../wire/read-messages';
import type { EventFilter } from './event-filter';
import { eventsOf, frameFor } from './stored-event';

/**
 * Follows `$all` until the client goes away: pages of the store while behind, rows in memory when live. It holds one page at
 * most and reads the next when the client has taken it.
 */
export async function subscribeToAll(
  call: GrpcCall,
  reader: LogReader,
  request: ReadRequest,
  filter: EventFilter | undefined,
): Promise<void> {
  const { durable } = reader;
  await call.write(readResponse.confirmation(randomUUID()));
  const page = new AllPage(filter, request.structuredIds);
  const size = new PageSize();
  let next = firstWanted(request.from, durable.position);
  for (let live = false; !call.signal.aborted;) {
    if (next > durable.position) {
      if (!live)
        await call.write(Buffer.concat([...page.checkpointAtEnd(next - 1), readResponse.caughtUp()]));
      live = true;
      await durable.waitBeyond(next - 1, call.signal);
      continue;
    }
    live &&= durable.recentRows(next) !== undefined;
    const rows = await reader.forward(next, size);
    const last = rows.at(-1);
    // The position was durable, so rows are missing only if the log was replaced under us.
    if (last === undefined) throw invalidPosition();
    const frames = page.frames(rows, next);
    next = lastPositionOf(last) + 1;
    if (frames.length > 0) await call.write(Buffer.concat(frames));
  }
}

/** Positions are not portable: one beyond the end comes from another log, or from before a restore. */
function firstWanted(from: ReadFrom, durablePosition: number): number {
  switch (from.kind) {
    case 'start':
      return firstPosition;
    case 'end':
      return durablePosition + 1;
    case 'at':
      if (from.at > durablePosition) throw invalidPosition();
      return Math.max(from.at + 1, firstPosition);
  }
}

function invalidPosition(): GrpcError {
  return new GrpcError(grpcCode.invalidArgument, 'Trying to read from an invalid position.');
}

/** Turns rows into the frames one subscriber gets, with checkpoints between them. */
class AllPage {
  private consideredSinceCheckpoint = 0;

  constructor(
    private readonly filter: EventFilter | undefined,
    private readonly structuredIds: boolean,
  ) {}

  frames(rows: readonly LogRow[], from: number): Buffer[] {
    if (this.filter === undefined && !this.structuredIds && rows.every((row) => row.position >= from))
      return rows.map((row) => row.frames);
    return rows.flatMap((row) => this.rowFrames(row, from));
  }

  /** When catch-up ends: how far it has looked, unless the last checkpoint said so. */
  checkpointAtEnd(position: number): Buffer[] {
    if (this.filter === undefined || this.consideredSinceCheckpoint === 0) return [];
    this.consideredSinceCheckpoint = 0;
    return [readResponse.checkpoint(position)];
  }

  private rowFrames(row: LogRow, from: number): Buffer[] {
    const frames: Buffer[] = [];
    for (const event of eventsOf(row)) {
      if (event.position < from) continue;
      if (this.filter === undefined || this.filter.matches(event.streamName, event.frame))
        frames.push(frameFor(event, this.structuredIds));
      this.consideredSinceCheckpoint += 1;
      if (this.filter === undefined || this.consideredSinceCheckpoint < this.filter.checkpointInterval)
        continue;
      frames.push(readResponse.checkpoint(event.position));
      this.consideredSinceCheckpoint = 0;
    }
    return frames;
  }
}
