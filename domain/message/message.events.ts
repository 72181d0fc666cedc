import type { Event, SealedFields } from '../event';

// Stored for ever. Never rename a type or change a field's meaning: add a new event and upcast the old one.

export interface EmailAddress {
  readonly name: string | null;
  readonly address: string;
}

export type MessageType = 'email' | 'bounce' | 'auto_reply';

/**
 * Where the raw MIME lies: `chunks` events of type MessageContentStored, in `streamName`, from its first revision.
 * For all but the largest messages that is the message's own stream, in the very append of the fact.
 */
export interface ContentRef {
  readonly streamName: string;
  readonly storageKey: string;
  readonly chunks: number;
  readonly compression: 'gzip' | 'none';
  /** Bytes of the raw MIME, uncompressed. */
  readonly rawSize: number;
  /** sha256 of the raw MIME, hex. */
  readonly sha256: string;
}

/** One sealed piece of the raw MIME. Its bytes are the event's data; these fields are its metadata. */
export type MessageContentStored = Event<'MessageContentStored', { chunk: number; bytes: Uint8Array }>;

/**
 * A mail came in. Ids of messages that the header fields name are the same uuids those messages have or would have,
 * so a thread can be followed by reading streams, without a look-up table (architecture.md §3).
 */
export type MessageReceived = Event<
  'MessageReceived',
  {
    messageId: string;
    mailboxId: string;
    /** The id its Message-ID field stands for; differs from `messageId` where a sender reused one. */
    threadNodeId: string;
    /** References then In-Reply-To, oldest first, without the message itself. */
    ancestorNodeIds: readonly string[];
    /** Joins by base subject, where the mailbox's policy asks for it. */
    subjectNodeId: string | null;
    isReplySubject: boolean;
    fingerprint: string;
    messageType: MessageType;
    autoSubmitted: boolean;
    sentAt: string | null;
    receivedAt: string;
    content: ContentRef;
    attachmentCount: number;
    parserVersion: number;
    from: readonly EmailAddress[];
    to: readonly EmailAddress[];
    cc: readonly EmailAddress[];
    subject: string;
    preview: string;
  }
>;

/** An agent's answer, accepted for sending. Dispatch is a reaction to this fact. */
export type MessageSubmitted = Event<
  'MessageSubmitted',
  {
    messageId: string;
    mailboxId: string;
    conversationId: string;
    authorId: string;
    threadNodeId: string;
    ancestorNodeIds: readonly string[];
    fingerprint: string;
    submittedAt: string;
    content: ContentRef;
    attachmentCount: number;
    parserVersion: number;
    /** With angle brackets stripped; a reply will name it. */
    headerMessageId: string;
    from: readonly EmailAddress[];
    to: readonly EmailAddress[];
    cc: readonly EmailAddress[];
    subject: string;
    preview: string;
  }
>;

/** Bytes we could not read as mail. They are kept whole, with the reason, for a better parser. */
export type MessageParked = Event<
  'MessageParked',
  {
    messageId: string;
    mailboxId: string;
    reason: string;
    detail: string;
    receivedAt: string;
    content: ContentRef;
    parserVersion: number;
  }
>;

export type MessageEvent = MessageContentStored | MessageReceived | MessageSubmitted | MessageParked;

const erasedAddress: EmailAddress = { name: null, address: '[erased]' };
const erasedEnvelope = { from: [erasedAddress], to: [], cc: [], subject: '[erased]', preview: '' };

export const messageSealedFields: SealedFields<MessageEvent> = {
  MessageReceived: erasedEnvelope,
  MessageSubmitted: { ...erasedEnvelope, headerMessageId: '[erased]' },
  MessageParked: { detail: '[erased]' },
};
