import { randomUUID } from 'node:crypto';
import type { GrpcCall } from '../grpc/grpc-call';
import { GrpcError, grpcCode } from '../grpc/grpc-status';
import { firstPosition, lastPositionOf, type LogRow } from '../log/log-row';
import { PageSize, type LogReader } from '../storage/log-reader';
import { readResponse, type ReadFrom, type ReadRequest } from '../wire/read-messages';
import { EventEncoder } from './event-encoder';
import type { EventFilter } from './event-filter';
import { eventsOf, type StoredEvent } from './stored-event';

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
  const page = new AllPage(filter, new EventEncoder(reader, request));
  const size = new PageSize();
  let next = firstWanted(request.from, await reader.head());
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
    const frames = await page.frames(rows, next);
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
    private readonly encoder: EventEncoder,
  ) {}

  async frames(rows: readonly LogRow[], from: number): Promise<Buffer[]> {
    const { filter, encoder } = this;
    if (filter === undefined && encoder.changesNothing && rows.every((row) => row.position >= from))
      return rows.map((row) => row.frames);
    const events = rows.flatMap(eventsOf).filter((event) => event.position >= from);
    if (filter === undefined) return encoder.frames(events);
    return this.filteredFrames(events, filter);
  }

  /** When catch-up ends: how far it has looked, unless the last checkpoint said so. */
  checkpointAtEnd(position: number): Buffer[] {
    if (this.filter === undefined || this.consideredSinceCheckpoint === 0) return [];
    this.consideredSinceCheckpoint = 0;
    return [readResponse.checkpoint(position)];
  }

  private async filteredFrames(events: readonly StoredEvent[], filter: EventFilter): Promise<Buffer[]> {
    const parts: (Buffer | readonly Buffer[])[] = [];
    let matching: StoredEvent[] = [];
    for (const event of events) {
      if (filter.matches(event.streamName, event.frame)) matching.push(event);
      this.consideredSinceCheckpoint += 1;
      if (this.consideredSinceCheckpoint < filter.checkpointInterval) continue;
      parts.push(await this.encoder.frames(matching), readResponse.checkpoint(event.position));
      matching = [];
      this.consideredSinceCheckpoint = 0;
    }
    parts.push(await this.encoder.frames(matching));
    return parts.flat();
  }
}
