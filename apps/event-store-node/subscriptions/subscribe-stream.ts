import { randomUUID } from 'node:crypto';
import type { GrpcCall } from '../grpc/grpc-call';
import { streamDeletedError } from '../grpc/grpc-status';
import { lastPositionOf, type LogRow } from '../log/log-row';
import { PageSize, type LogReader } from '../storage/log-reader';
import { uint63Max } from '../../shared/protobuf/protobuf-reader';
import { readResponse, type ReadFrom, type ReadRequest } from '../wire/read-messages';
import { EventEncoder } from './event-encoder';
import { eventsOf, visibility, type StoredEvent } from './stored-event';

/** Follows one stream, which need not exist yet, until the client goes away or the stream is tombstoned. */
export async function subscribeToStream(
  call: GrpcCall,
  reader: LogReader,
  request: ReadRequest,
): Promise<void> {
  const { streamName } = request;
  const info = await reader.streamInfo(streamName);
  if (info.tombstoned) throw streamDeletedError(streamName);
  await call.write(readResponse.confirmation(randomUUID()));
  const subscriber = new StreamSubscriber(call, reader, streamName, new EventEncoder(reader, request));
  subscriber.nextRevision = firstWanted(request.from, info.last);
  while (!call.signal.aborted) await subscriber.followLive(await subscriber.catchUp());
}

function firstWanted(from: ReadFrom, last: number): number {
  switch (from.kind) {
    case 'start':
      return 0;
    case 'end':
      return last + 1;
    case 'at':
      return from.at + 1;
  }
}

class StreamSubscriber {
  nextRevision = 0;

  constructor(
    private readonly call: GrpcCall,
    private readonly reader: LogReader,
    private readonly streamName: string,
    private readonly encoder: EventEncoder,
  ) {}

  /** Sends what the store has. Returns the first position that it may not have looked at. */
  async catchUp(): Promise<number> {
    const size = new PageSize();
    for (;;) {
      const position = this.reader.durable.position;
      const { last, metadata } = await this.reader.streamInfo(this.streamName);
      const rows = await this.reader.streamForward(this.streamName, this.nextRevision, size);
      if (rows.length === 0 || this.call.signal.aborted) return position + 1;
      await this.deliver(rows, visibility(metadata, last, Date.now()));
    }
  }

  /** Sends what is committed from `position` on, until memory no longer reaches back to where it stands. */
  async followLive(position: number): Promise<void> {
    const { durable } = this.reader;
    await this.call.write(readResponse.caughtUp());
    for (let next = position; !this.call.signal.aborted;) {
      const rows = durable.recentRows(next);
      if (rows === undefined) return;
      await this.deliver(
        rows.filter((row) => row.streamName === this.streamName && row.count > 0),
        () => true,
      );
      const last = rows.at(-1);
      if (last !== undefined) next = lastPositionOf(last) + 1;
      else await durable.waitBeyond(next - 1, this.call.signal);
    }
  }

  private async deliver(rows: readonly LogRow[], isVisible: (event: StoredEvent) => boolean): Promise<void> {
    const events = rows.flatMap(eventsOf).filter((event) => event.revision >= this.nextRevision);
    const last = events.at(-1);
    if (last === undefined) return;
    this.nextRevision = last.revision + 1;
    const frames = await this.encoder.frames(events.filter(isVisible));
    if (frames.length > 0) await this.call.write(Buffer.concat(frames));
    if (last.revision >= uint63Max) throw streamDeletedError(this.streamName);
  }
}
