import { createHmac } from 'node:crypto';
import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { baseSubject } from '../../../domain/message-identity';
import { SubmitMessage } from '../../../domain/message/message.commands';
import { streamName } from '../../../domain/stream-name';
import { RevisionConflict, type EventStore } from '../../shared/event-store/event-store';
import { IdempotencyMismatch } from '../../shared/event-store/handle-command';
import { invalidFields } from '../../shared/http/problem';
import { tenantIds, type TenantIds } from '../../shared/ids/tenant-ids';
import { createdId } from '../../shared/ids/uuid-v5';
import type { KeyRing } from '../../shared/keys/key-ring';
import { composeMail, type OutboundMail } from '../../shared/mail/compose-mail';
import type { MailParser } from '../../shared/mail/mail-parser';
import { parserVersion } from '../../shared/mail/parse-mail';
import type { MailAddress } from '../../shared/mail/parsed-mail';
import { threadMessage } from '../../shared/threading/thread-message';
import type { RequestMetadata } from '../delivery/request-metadata';
import { contentOf, placeContent } from '../message/mail-content';
import {
  asStored,
  findMessage,
  inLog,
  isThreadable,
  storeMessage,
  type ThreadableInLog,
} from '../message/stored-message';
import { connectedMailbox, demandActiveUser, type ConnectedMailbox } from '../tenant-entities';
import { eventStoreToken, keyRingToken, mailParserToken } from '../tokens';
import { answeredMessage, type AnsweredMessage } from './answered-message';
import { canonicalConversation, revisionProblem } from './canonical-conversation';

interface ReplyData {
  readonly conversationId: string;
  readonly authorId: string;
  readonly text: string;
  readonly html?: string;
  readonly to?: readonly string[];
  readonly cc?: readonly string[];
  readonly subject?: string;
}

/** An agent's answer to the customer of a conversation. */
export class SubmitReply {
  constructor(
    readonly data: ReplyData,
    readonly metadata: RequestMetadata,
  ) {}
}

export interface SubmittedReply {
  readonly messageId: string;
  readonly conversationId: string;
  readonly revision: number;
  readonly position: bigint;
}

/** A reply on its way: who it is from and under which ids. */
interface Outgoing {
  readonly mailbox: ConnectedMailbox;
  readonly ids: TenantIds;
  readonly pepper: Uint8Array;
  readonly messageId: string;
  /** Without angle brackets. */
  readonly headerMessageId: string;
}

/**
 * The outbound path up to the log: compose, store like an inbound mail, thread. Sending is a reaction to the fact. All ids
 * follow from the command's, so a retry with an Idempotency-Key finds what the first try has stored, before it looks at
 * anything that may have changed since.
 */
@CommandHandler(SubmitReply)
export class SubmitReplyHandler implements ICommandHandler<SubmitReply, SubmittedReply> {
  constructor(
    @Inject(eventStoreToken) private readonly store: EventStore,
    @Inject(keyRingToken) private readonly keyRing: KeyRing,
    @Inject(mailParserToken) private readonly mailParser: MailParser,
  ) {}

  async execute({ data, metadata }: SubmitReply): Promise<SubmittedReply> {
    const { tenantId } = metadata;
    const { state, revision } = await canonicalConversation(this.store, tenantId, data.conversationId);
    const mailbox = await connectedMailbox(this.store, tenantId, state.mailboxId);
    const outgoing = await this.outgoing(mailbox, metadata);
    const earlier = await this.earlierTry(outgoing.messageId, metadata);
    if (earlier !== null) return this.thread(outgoing, earlier);

    await this.demandRevision(state.conversationId, revision, metadata);
    await demandActiveUser(this.store, tenantId, data.authorId, 'authorId');
    const answered = await answeredMessage(this.store, this.mailParser, tenantId, state);
    const mail = outboundMail(data, outgoing, answered, metadata.now);
    const command = await this.submission(
      { ...data, conversationId: state.conversationId },
      { outgoing, answered, mail, metadata },
    );
    const stored = await storeMessage(this.store, command, metadata.requestHash, isThreadable);
    return this.thread(outgoing, stored);
  }

  private async outgoing(mailbox: ConnectedMailbox, metadata: RequestMetadata): Promise<Outgoing> {
    const pepper = await this.keyRing.pepper(metadata.tenantId);
    const ids = tenantIds(metadata.tenantId, pepper);
    const headerMessageId = ownMessageId(metadata.commandId, pepper, mailbox.address);
    return {
      mailbox,
      ids,
      pepper,
      headerMessageId,
      messageId: ids.messageId(mailbox.mailboxId, headerMessageId),
    };
  }

  private async earlierTry(
    messageId: string,
    { tenantId, commandId, requestHash }: RequestMetadata,
  ): Promise<ThreadableInLog | null> {
    if (requestHash === undefined) return null;
    const earlier = await findMessage(this.store, tenantId, messageId, isThreadable);
    if (earlier === null) return null;
    if (earlier.metadata.requestHash !== requestHash) throw new IdempotencyMismatch(commandId);
    return inLog(earlier);
  }

  /** A reply is stored beside the conversation, so If-Match is checked before it and not in the same append. */
  private async demandRevision(
    conversationId: string,
    actual: number,
    { tenantId, expectedRevision }: RequestMetadata,
  ): Promise<void> {
    if (expectedRevision === undefined || expectedRevision === actual) return;
    const stream = streamName('conversation', tenantId, conversationId);
    throw await revisionProblem(this.store, new RevisionConflict(stream, expectedRevision, actual));
  }

  private async submission(
    data: ReplyData,
    parts: { outgoing: Outgoing; answered: AnsweredMessage; mail: OutboundMail; metadata: RequestMetadata },
  ): Promise<SubmitMessage> {
    const { outgoing, answered, mail, metadata } = parts;
    const { messageId, headerMessageId, mailbox } = outgoing;
    const raw = await composeMail(mail);
    const [result, content] = await Promise.all([this.mailParser.parse(raw), contentOf(raw)]);
    if (result.outcome === 'parked') throw invalidFields([{ field: 'text', detail: result.detail }]);
    const { fingerprint, preview, attachments } = result.mail;
    const { chunks, ref } = await placeContent(this.store, { ...outgoing, content }, metadata);
    const message = {
      messageId,
      mailboxId: mailbox.mailboxId,
      conversationId: data.conversationId,
      authorId: data.authorId,
      threadNodeId: messageId,
      // Of the fact and not of the header, so that an answer finds its place also where the message had no Message-ID.
      ancestorNodeIds: [...answered.fact.data.ancestorNodeIds, answered.fact.data.threadNodeId],
      fingerprint,
      submittedAt: metadata.now,
      content: ref,
      attachmentCount: attachments.length,
      parserVersion,
      headerMessageId,
      from: [mail.from],
      to: mail.to,
      cc: mail.cc,
      subject: mail.subject,
      preview,
    };
    return new SubmitMessage({ chunks, message }, metadata);
  }

  private async thread({ ids, messageId }: Outgoing, stored: ThreadableInLog): Promise<SubmittedReply> {
    const threaded = await threadMessage({ store: this.store, ids }, asStored(stored));
    const { conversationId, revision, position } = threaded;
    return { messageId, conversationId, revision, position };
  }
}

/** Ours is recognised when it comes back, and nobody without the pepper can make one up (events.md §4.5). */
function ownMessageId(commandId: string, pepper: Uint8Array, mailboxAddress: string): string {
  const local = createdId(commandId, 'reply').replaceAll('-', '');
  const proof = createHmac('sha256', pepper).update(`message-id|${local}`).digest('hex').slice(0, 16);
  const domain = mailboxAddress.slice(mailboxAddress.lastIndexOf('@') + 1).toLowerCase();
  return `${local}.${proof}@${domain}`;
}

function outboundMail(
  data: ReplyData,
  { mailbox, headerMessageId }: Outgoing,
  answered: AnsweredMessage,
  date: string,
): OutboundMail {
  const asAddress = (address: string): MailAddress => ({ name: null, address });
  const to = data.to?.map(asAddress) ?? [...answered.replyTo];
  if (to.length === 0) {
    throw invalidFields([{ field: 'to', detail: 'is needed: the message answered names nobody to answer' }]);
  }
  const { messageIdHeader, references } = answered;
  return {
    from: { name: mailbox.name, address: mailbox.address },
    to,
    cc: data.cc?.map(asAddress) ?? [],
    subject: data.subject ?? `Re: ${baseSubject(answered.fact.data.subject).base}`,
    text: data.text,
    html: data.html ?? null,
    messageId: headerMessageId,
    inReplyTo: messageIdHeader,
    references: messageIdHeader === null ? [...references] : [...references, messageIdHeader],
    date,
  };
}
