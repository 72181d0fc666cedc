import { createHash } from 'node:crypto';
import { v5 } from 'uuid';
import type { Recorded } from '../../../domain/event';
import type {
  ContentRef,
  MessageContentStored,
  MessageParked,
  MessageReceived,
  MessageSubmitted,
} from '../../../domain/message/message.events';
import type { JoinedAttachment, JoinedContent } from '../../../projections/content-event';
import type { ProjectedEvent } from '../../../projections/projection';
import { UndecodableStream, type EventStore, type LogEvent } from '../event-store/event-store';
import { decompress, DecompressionTooLarge, gzipped } from '../keys/compress';
import { isKill } from '../mail/mail-caps';
import type { MailParser } from '../mail/mail-parser';
import { parserVersion } from '../mail/parse-mail';
import type { ParsedMail } from '../mail/parsed-mail';
import type { ReadableEvent } from './fold-event';

type MessageFact = Recorded<MessageReceived> | Recorded<MessageSubmitted> | Recorded<MessageParked>;

/** The stored bytes are not those the fact speaks of. No later try will change that. */
class ContentBroken extends Error {}

/**
 * Joins the chunks of a message with its fact. Chunks are never handed on by themselves: a checkpoint can only ever stand
 * behind a whole message, so a restart cannot lose the first half of one.
 */
export class ContentReader {
  /** Chunks of the stream read last; those of an append follow each other in the log, with their fact behind them. */
  private held: { readonly streamName: string; readonly chunks: Recorded<MessageContentStored>[] } | null =
    null;

  constructor(
    private readonly store: Pick<EventStore, 'readStream'>,
    private readonly parser: MailParser,
  ) {}

  /**
   * The event with its content, or null for a chunk; at once where there is none to join. Throws only when log or parser
   * cannot be reached.
   */
  join(event: LogEvent): ReadableEvent | null | Promise<ReadableEvent> {
    // A chunk that cannot be read shows when its fact comes; the tiers without content never see it at all.
    if ('undecodable' in event) return event.type === 'MessageContentStored' ? null : event;
    if (event.type === 'MessageContentStored') {
      this.hold(event);
      return null;
    }
    const { held } = this;
    this.held = null;
    if (!isMessageFact(event)) return event;
    return this.joined(event, held?.streamName === event.streamName ? held.chunks : []);
  }

  private async joined(
    event: MessageFact,
    chunks: readonly Recorded<MessageContentStored>[],
  ): Promise<ReadableEvent> {
    try {
      const content = await this.contentOf(event, chunks);
      return content === null ? event : { ...event, content };
    } catch (error) {
      if (!(error instanceof ContentBroken || error instanceof UndecodableStream)) throw error;
      return poisoned(event, error.message);
    }
  }

  private hold(event: Recorded<MessageContentStored>): void {
    // Chunks in a stream of their own may be many, with other events among them: they are read when their fact comes.
    if (event.streamName.startsWith('content-')) return;
    if (this.held?.streamName === event.streamName) this.held.chunks.push(event);
    else this.held = { streamName: event.streamName, chunks: [event] };
  }

  /** Null when the bytes have left the log: by retention (no chunks) or by an erasure (nothing left in them). */
  private async contentOf(
    event: MessageFact,
    held: readonly Recorded<MessageContentStored>[],
  ): Promise<JoinedContent | null> {
    const ref = event.data.content;
    const chunks = held.length === ref.chunks ? held : await this.readChunks(ref);
    const stored = Buffer.concat(chunks.map(({ data }) => data.bytes));
    if (stored.length === 0 && ref.rawSize > 0) return null;
    const raw = await unpacked(stored, ref);
    return this.describe(event, raw, ref.compression === 'gzip' ? stored : null);
  }

  private async readChunks(ref: ContentRef): Promise<Recorded<MessageContentStored>[]> {
    const { events } = await this.store.readStream(ref.streamName, { maxCount: ref.chunks });
    return events.flatMap((event) => (event.type === 'MessageContentStored' ? [event] : []));
  }

  private async describe(
    event: MessageFact,
    raw: Uint8Array,
    zipped: Uint8Array | null,
  ): Promise<JoinedContent> {
    const wasRead = event.type !== 'MessageParked' || !isKill(event.data.reason);
    const result = await this.parser.parse(raw, wasRead);
    const mail = result.outcome === 'parsed' ? result.mail : null;
    const packed = (text: string | null): Promise<Uint8Array> | null => {
      if (text === null) return null;
      const bytes = Buffer.from(text, 'utf8');
      return zipped ? gzipped(bytes) : Promise.resolve(bytes);
    };
    return {
      raw: zipped ?? raw,
      text: await packed(mail?.text ?? null),
      html: await packed(mail?.html ?? null),
      compression: zipped ? 'gzip' : 'none',
      headers: mail?.headers ?? [],
      attachments: attachmentsOf(event.data.messageId, mail),
      parserVersion,
      parkedReason: result.outcome === 'parked' ? result.reason : null,
    };
  }
}

/** Throws {@link ContentBroken} unless the bytes are the very ones that were received. */
async function unpacked(stored: Uint8Array, ref: ContentRef): Promise<Uint8Array> {
  let raw: Uint8Array;
  try {
    raw = await decompress({ bytes: stored, compression: ref.compression }, Math.max(1, ref.rawSize));
  } catch (error) {
    const isTooLarge = error instanceof DecompressionTooLarge;
    throw new ContentBroken(
      isTooLarge ? 'the content is longer than its fact says' : 'the content does not unpack',
    );
  }
  const digest = createHash('sha256').update(raw).digest('hex');
  if (digest !== ref.sha256) throw new ContentBroken('the content has another digest than its fact says');
  return raw;
}

function attachmentsOf(messageId: string, mail: ParsedMail | null): JoinedAttachment[] {
  return (mail?.attachments ?? []).map((attachment, ordinal) => ({
    id: v5(`attachment|${ordinal}`, messageId),
    filename: attachment.filename,
    mimeType: attachment.mimeType,
    sizeBytes: attachment.sizeBytes,
    disposition: attachment.disposition,
    contentId: attachment.contentId,
    sha256: attachment.sha256,
    content: attachment.content,
  }));
}

function isMessageFact(event: ProjectedEvent): event is MessageFact {
  return (
    event.type === 'MessageReceived' || event.type === 'MessageSubmitted' || event.type === 'MessageParked'
  );
}

function poisoned({ id, streamName, type, revision, position }: MessageFact, reason: string): ReadableEvent {
  return { undecodable: true, id, streamName, type, revision, position, reason };
}
