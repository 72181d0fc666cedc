import { PageSize, type LogReader } from '../storage/log-reader';
import { decodeEventFrame, eventData, withStructuredId } from '../wire/event-frames';
import { linkFrame, linkType, readLinkTarget, type LinkTarget } from '../wire/link-frames';
import type { ReadRequest } from '../wire/read-messages';
import { eventsOf, visibility, type StoredEvent } from './stored-event';

/** Events as one reader asked for them: with its form of ids, and with links resolved or as they are. */
export class EventEncoder {
  private readonly structuredIds: boolean;
  private readonly resolveLinks: boolean;

  constructor(
    private readonly reader: LogReader,
    request: Pick<ReadRequest, 'structuredIds' | 'resolveLinks'>,
  ) {
    this.structuredIds = request.structuredIds;
    this.resolveLinks = request.resolveLinks;
  }

  /** True when the stored frames are what the reader wants. */
  get changesNothing(): boolean {
    return !this.structuredIds && !this.resolveLinks;
  }

  /** The frames of these events, in their order. */
  async frames(events: readonly StoredEvent[]): Promise<Buffer[]> {
    if (this.changesNothing) return events.map(({ frame }) => frame);
    return Promise.all(
      events.map(async (event) => {
        if (this.resolveLinks && decodeEventFrame(event.frame).type === linkType) return this.resolved(event);
        return this.structuredIds ? withStructuredId(event.frame, event.position) : event.frame;
      }),
    );
  }

  private async resolved(link: StoredEvent): Promise<Buffer> {
    const target = readLinkTarget(eventData(link.frame));
    const event = target === undefined ? undefined : await this.visibleEvent(target);
    return linkFrame(link, event, this.structuredIds);
  }

  /** What a read of the target's stream would show. One by one: nothing in this node makes links, so they are rare. */
  private async visibleEvent({ streamName, revision }: LinkTarget): Promise<StoredEvent | undefined> {
    const info = await this.reader.streamInfo(streamName);
    if (info.tombstoned || info.softDeleted) return undefined;
    const [row] = await this.reader.streamBackward(streamName, revision, new PageSize(1));
    const event = row === undefined ? undefined : eventsOf(row)[revision - row.revision];
    return event !== undefined && visibility(info.metadata, info.last, Date.now())(event) ? event : undefined;
  }
}
