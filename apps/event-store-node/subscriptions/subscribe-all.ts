import { randomUUID } from 'node:crypto';
import type { GrpcCall } from '../grpc/grpc-call';
import { GrpcError, grpcCode } from '../grpc/grpc-status';
import { firstPosition, type LogRow } from '../log/log-row';
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
    const { rows, endsAt } = await reader.stretch(next, size, filter?.streamPrefixes ?? null);
    // The position was durable, so rows are missing only if the log was replaced under us.
    if (endsAt < next) throw invalidPosition();
    const frames = await page.frames(rows, { from: next, to: endsAt });
    next = endsAt + 1;
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

/** Positions of the log, both ends included. */
interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** Turns rows into the frames one subscriber gets, with checkpoints between them. Events stand at positions without a gap. */
class AllPage {
  /** Up to here events were considered since the subscription began, and up to there at the last checkpoint. */
  private consideredTo: number | null = null;
  private checkpointAt = 0;

  constructor(
    private readonly filter: EventFilter | undefined,
    private readonly encoder: EventEncoder,
  ) {}

  /** `rows`: at least those of the stretch that can match the filter. */
  async frames(rows: readonly LogRow[], stretch: Stretch): Promise<Buffer[]> {
    const { filter, encoder } = this;
    const { from } = stretch;
    if (filter === undefined && encoder.changesNothing && rows.every((row) => row.position >= from))
      return rows.map((row) => row.frames);
    const events = rows.flatMap(eventsOf).filter((event) => event.position >= from);
    if (filter === undefined) return encoder.frames(events);
    return this.filteredFrames(events, stretch, filter);
  }

  /** When catch-up ends: how far it has looked, unless the last checkpoint said so. */
  checkpointAtEnd(position: number): Buffer[] {
    if (this.filter === undefined || this.consideredTo === null || this.consideredTo === this.checkpointAt)
      return [];
    this.checkpointAt = this.consideredTo;
    return [readResponse.checkpoint(position)];
  }

  private async filteredFrames(
    events: readonly StoredEvent[],
    { from, to }: Stretch,
    filter: EventFilter,
  ): Promise<Buffer[]> {
    if (this.consideredTo === null) this.checkpointAt = from - 1;
    this.consideredTo = to;
    const parts: (Buffer | readonly Buffer[])[] = [];
    let matching: StoredEvent[] = [];
    const checkpointsBefore = async (position: number): Promise<void> => {
      while (this.checkpointAt + filter.checkpointInterval < position) {
        this.checkpointAt += filter.checkpointInterval;
        parts.push(await this.encoder.frames(matching), readResponse.checkpoint(this.checkpointAt));
        matching = [];
      }
    };
    for (const event of events) {
      await checkpointsBefore(event.position);
      if (filter.matches(event.streamName, event.frame)) matching.push(event);
    }
    await checkpointsBefore(to + 1);
    parts.push(await this.encoder.frames(matching));
    return parts.flat();
  }
}
