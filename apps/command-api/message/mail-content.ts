import { createHash } from 'node:crypto';
import type { CommandMetadata } from '../../../domain/decider';
import type { MailfoldEvent } from '../../../domain/catalogue.events';
import type { Recorded } from '../../../domain/event';
import type { ContentRef, MessageContentStored } from '../../../domain/message/message.events';
import { streamName } from '../../../domain/stream-name';
import { RevisionConflict, type EventStore } from '../../shared/event-store/event-store';
import { toAppend } from '../../shared/event-store/handle-command';
import { pepperedId } from '../../shared/ids/uuid-v5';
import { compress, decompress } from '../../shared/keys/compress';

/** Below the 512 KiB of architecture.md §3, so that two sealed chunks and their metadata fit into one append. */
const chunkBytesMax = 448 * 1024;
const chunksPerAppendMax = 2;
/** What may go into the message's own append: the server's default limit of 1 MiB, less the room a fact needs. */
const inlineBytesMax = 600 * 1024;

/** Raw MIME on its way into the log. */
export interface MailContent {
  readonly chunks: readonly Uint8Array[];
  readonly compression: 'gzip' | 'none';
  readonly rawSize: number;
  /** Of the raw bytes, hex. */
  readonly sha256: string;
}

/** What a message command needs to know of its content, wherever that has gone. */
export interface PlacedContent {
  /** Chunks for the message's own append; none when they lie in a stream of their own by now. */
  readonly chunks: readonly Uint8Array[];
  readonly ref: ContentRef;
}

export async function contentOf(raw: Uint8Array): Promise<MailContent> {
  const { bytes, compression } = await compress(raw);
  const sha256 = createHash('sha256').update(raw).digest('hex');
  return { chunks: sliced(bytes), compression, rawSize: raw.length, sha256 };
}

/**
 * Decides where the content of a message lies, and puts it there when that is a stream of its own. Such a stream is named
 * by the compressed bytes, not by the message: whoever stores the same bytes goes on where another stopped, and a message
 * under a reused Message-ID cannot get between. Content without its fact is swept, a fact without its content never is.
 */
export async function placeContent(
  store: EventStore,
  { content, messageId, pepper }: { content: MailContent; messageId: string; pepper: Uint8Array },
  metadata: CommandMetadata,
): Promise<PlacedContent> {
  const { chunks, compression, rawSize, sha256 } = content;
  const ref = { storageKey: messageId, chunks: chunks.length, compression, rawSize, sha256 };
  const storedBytes = chunks.reduce((total, chunk) => total + chunk.length, 0);
  if (storedBytes <= inlineBytesMax) {
    return { chunks, ref: { ...ref, streamName: streamName('message', metadata.tenantId, messageId) } };
  }
  const contentId = pepperedId(pepper, metadata.tenantId, `content|${digestOf(chunks)}`);
  const contentStream = streamName('content', metadata.tenantId, contentId);
  await storeChunks(store, contentStream, chunks, { ...metadata, commandId: contentId });
  return { chunks: [], ref: { ...ref, streamName: contentStream } };
}

/** The raw MIME that a stored message refers to. `ownEvents` are those of the message's stream. */
export async function readContent(
  store: EventStore,
  ref: ContentRef,
  ownEvents: readonly Recorded<MailfoldEvent>[],
): Promise<Uint8Array> {
  const own = ownEvents.filter(isChunk);
  const stored = own.length > 0 ? own : (await store.readStream(ref.streamName)).events.filter(isChunk);
  const bytes = Buffer.concat(stored.slice(0, ref.chunks).map(({ data }) => data.bytes));
  return decompress({ bytes, compression: ref.compression }, ref.rawSize);
}

async function storeChunks(
  store: EventStore,
  stream: string,
  chunks: readonly Uint8Array[],
  metadata: CommandMetadata,
): Promise<void> {
  const events = toAppend(
    chunks.map((bytes, chunk): MessageContentStored => ({
      type: 'MessageContentStored',
      data: { chunk, bytes },
    })),
    { command: { type: 'StoreContent', data: null, metadata } },
  );
  let next = 0;
  while (next < events.length) {
    const expected = next === 0 ? 'no-stream' : next - 1;
    const batch = events.slice(next, next + chunksPerAppendMax);
    try {
      await store.append(stream, expected, batch);
      next += batch.length;
    } catch (error) {
      // Somebody stores, or has stored, the same bytes: what is there is what we would have written.
      if (!(error instanceof RevisionConflict)) throw error;
      const { revision } = await store.readStream(stream);
      next = revision === 'no-stream' ? 0 : revision + 1;
    }
  }
}

function sliced(bytes: Uint8Array): Uint8Array[] {
  const count = Math.max(1, Math.ceil(bytes.length / chunkBytesMax));
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * chunkBytesMax, (i + 1) * chunkBytesMax));
}

function digestOf(chunks: readonly Uint8Array[]): string {
  return chunks.reduce((hash, chunk) => hash.update(chunk), createHash('sha256')).digest('hex');
}

function isChunk<E extends MailfoldEvent>(event: E): event is E & MessageContentStored {
  return event.type === 'MessageContentStored';
}
