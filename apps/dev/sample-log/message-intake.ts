import { createHash } from 'node:crypto';
import { command as acceptedCommand } from '../../../domain/command/command';
import { AcceptCommand } from '../../../domain/command/command.commands';
import type { Actor } from '../../../domain/event';
import { parkedMessageIdName } from '../../../domain/identity';
import { message } from '../../../domain/message/message';
import { ParkMessage, ReceiveMessage, SubmitMessage } from '../../../domain/message/message.commands';
import type { ContentRef } from '../../../domain/message/message.events';
import { baseSubject } from '../../../domain/message-identity';
import { streamName } from '../../../domain/stream-name';
import { handleCommand } from '../../shared/event-store/handle-command';
import type { TenantIds } from '../../shared/ids/tenant-ids';
import { eventId, pepperedId } from '../../shared/ids/uuid-v5';
import { compress } from '../../shared/keys/compress';
import { parserVersion } from '../../shared/mail/parse-mail';
import { isMessageFact, type MessageFact } from '../../shared/threading/message-fact';
import { threadMessage } from '../../shared/threading/thread-message';
import type { SampleMail } from './sample-mail';
import type { ScratchStore } from './scratch-store';

/** Where the mails of one conversation go. */
export interface IntakePlace {
  readonly store: ScratchStore;
  readonly ids: TenantIds;
  readonly pepper: Uint8Array;
  readonly mailboxId: string;
}

/** Of one mail: where it stands in the reply tree, and the command that brings it in. */
export interface Arrival {
  readonly headerMessageId: string;
  /** Message-IDs of what it answers, oldest first. */
  readonly references: readonly string[];
  readonly joinsBySubject: boolean;
  readonly commandId: string;
  /** ISO-8601. */
  readonly now: string;
}

const contact: Actor = { kind: 'contact', id: null };

/**
 * Stores a received mail and threads it, as the command API does it; resolves to its conversation. `isKeyed` stands for a
 * client that sent an Idempotency-Key.
 */
export async function receive(
  place: IntakePlace,
  mail: SampleMail,
  arrival: Arrival & { readonly isKeyed: boolean },
): Promise<string> {
  const { ids, mailboxId, store } = place;
  const { commandId, now, isKeyed, joinsBySubject } = arrival;
  const messageId = ids.messageId(mailboxId, arrival.headerMessageId);
  const metadata = { tenantId: ids.tenantId, commandId, actor: contact, now };
  const requestHash = isKeyed ? createHash('sha256').update(mail.raw).digest('hex') : undefined;
  if (requestHash !== undefined) {
    const command = new AcceptCommand({ commandId, route: 'POST /v1/mailboxes/messages' }, metadata);
    const stream = streamName('command', ids.tenantId, commandId);
    await handleCommand({ store, decider: acceptedCommand, streamName: stream, command, requestHash });
  }
  const { from, to, cc, subject, sentAt, preview, fingerprint, messageType, autoSubmitted, attachments } =
    mail.parsed;
  const { base, isReply } = baseSubject(subject);
  const { chunks, ref } = await contentOf(mail.raw, ids.tenantId, messageId);
  const fact = {
    ...{ from, to, cc, subject, sentAt, preview, fingerprint, messageType, autoSubmitted },
    ...{ messageId, mailboxId, threadNodeId: messageId, receivedAt: now, content: ref, parserVersion },
    ancestorNodeIds: arrival.references.map((id) => ids.messageId(mailboxId, id)),
    subjectNodeId: joinsBySubject ? ids.subjectNode(mailboxId, base) : null,
    isReplySubject: isReply,
    attachmentCount: attachments.length,
  };
  return storeAndThread(place, new ReceiveMessage({ chunks, message: fact }, metadata), requestHash);
}

/** Stores an agent's answer and threads it; resolves to its conversation. */
export async function submit(
  place: IntakePlace,
  mail: SampleMail,
  arrival: Arrival & { readonly conversationId: string; readonly authorId: string },
): Promise<string> {
  const { ids, mailboxId } = place;
  const { headerMessageId, conversationId, authorId, commandId, now } = arrival;
  const messageId = ids.messageId(mailboxId, headerMessageId);
  const metadata = { tenantId: ids.tenantId, commandId, actor: { kind: 'user', id: authorId } as const, now };
  const { fingerprint, from, to, cc, subject, preview, attachments } = mail.parsed;
  const { chunks, ref } = await contentOf(mail.raw, ids.tenantId, messageId);
  const fact = {
    ...{ messageId, mailboxId, conversationId, authorId, threadNodeId: messageId, headerMessageId },
    ancestorNodeIds: arrival.references.map((id) => ids.messageId(mailboxId, id)),
    ...{ fingerprint, submittedAt: now, content: ref, attachmentCount: attachments.length, parserVersion },
    ...{ from, to, cc, subject, preview },
  };
  return storeAndThread(place, new SubmitMessage({ chunks, message: fact }, metadata), undefined);
}

/** Stores bytes that are no mail. */
export async function park(place: IntakePlace, raw: Buffer, commandId: string, now: string): Promise<void> {
  const { ids, pepper, mailboxId, store } = place;
  const sha256 = createHash('sha256').update(raw).digest('hex');
  const messageId = pepperedId(pepper, ids.tenantId, parkedMessageIdName(mailboxId, sha256));
  const { chunks, ref } = await contentOf(raw, ids.tenantId, messageId);
  const parked = {
    ...{ messageId, mailboxId, reason: 'not-mime', detail: 'no header field at all' },
    ...{ receivedAt: now, content: ref, parserVersion },
  };
  const metadata = { tenantId: ids.tenantId, commandId, actor: contact, now };
  await handleCommand({
    store,
    decider: message,
    streamName: ref.streamName,
    command: new ParkMessage({ chunks, message: parked }, metadata),
  });
}

async function storeAndThread(
  { store, ids }: IntakePlace,
  command: ReceiveMessage | SubmitMessage,
  requestHash: string | undefined,
): Promise<string> {
  const { commandId } = command.metadata;
  const stream = command.data.message.content.streamName;
  const { events } = await handleCommand({
    store,
    decider: message,
    streamName: stream,
    command,
    requestHash,
  });
  const fact = events.at(-1);
  if (fact === undefined || !isFact(fact)) throw new Error(`${stream} was not new`);
  const stored = { fact, eventId: eventId(commandId, events.length - 1), correlationId: commandId };
  return (await threadMessage({ store, ids }, stored)).conversationId;
}

function isFact(event: Parameters<typeof isMessageFact>[0]): event is MessageFact {
  return isMessageFact(event);
}

/** Small mails only: their content always goes into the message's own append. */
async function contentOf(
  raw: Buffer,
  tenantId: string,
  messageId: string,
): Promise<{ chunks: Uint8Array[]; ref: ContentRef }> {
  const { bytes, compression } = await compress(raw);
  return {
    chunks: [bytes],
    ref: {
      ...{
        streamName: streamName('message', tenantId, messageId),
        storageKey: messageId,
        chunks: 1,
        compression,
      },
      ...{ rawSize: raw.length, sha256: createHash('sha256').update(raw).digest('hex') },
    },
  };
}
