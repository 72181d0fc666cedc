import { streamName } from '../../../domain/stream-name';
import { UndecodableStream, type EventStore } from '../event-store/event-store';

/**
 * Whether the log still has the bytes of a message. It has not once its tenant's key is destroyed, or retention has taken
 * the chunks out; then no projection can have them either.
 */
export async function isContentInLog(
  store: Pick<EventStore, 'readStream'>,
  tenantId: string,
  messageId: string,
): Promise<boolean> {
  try {
    const { events } = await store.readStream(streamName('message', tenantId, messageId));
    const fact = events.find(({ data }) => 'content' in data);
    if (fact === undefined || !('content' in fact.data)) return false;
    const { content } = fact.data;
    const chunks = (await store.readStream(content.streamName, { maxCount: content.chunks })).events;
    return chunks.some(({ type, data }) => type === 'MessageContentStored' && data.bytes.length > 0);
  } catch (error) {
    // What cannot be decoded is parked by every reader, and seen there.
    if (error instanceof UndecodableStream) return false;
    throw error;
  }
}
