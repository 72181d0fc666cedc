import { Inject } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { DomainError } from '../../../domain/domain-error';
import { fingerprintId, parkedMessageIdName } from '../../../domain/identity';
import { baseSubject } from '../../../domain/message-identity';
import { ParkMessage, ReceiveMessage } from '../../../domain/message/message.commands';
import type { MessageReceived } from '../../../domain/message/message.events';
import { AppendTooLarge, type EventStore } from '../../shared/event-store/event-store';
import { tenantIds, type TenantIds } from '../../shared/ids/tenant-ids';
import { pepperedId } from '../../shared/ids/uuid-v5';
import type { KeyRing } from '../../shared/keys/key-ring';
import type { MailParser } from '../../shared/mail/mail-parser';
import { parserVersion } from '../../shared/mail/parse-mail';
import type { ParsedMail } from '../../shared/mail/parsed-mail';
import type { MessageFact } from '../../shared/threading/message-fact';
import { threadMessage } from '../../shared/threading/thread-message';
import { accept } from '../delivery/deliver-command';
import type { RequestMetadata } from '../delivery/request-metadata';
import { connectedMailbox, type ConnectedMailbox } from '../tenant-entities';
import { eventStoreToken, keyRingToken, mailParserToken } from '../tokens';
import { contentOf, placeContent, type MailContent } from './mail-content';
import { asStored, isParked, isThreadable, storeMessage, type MessageInLog } from './stored-message';

/** A mail as it came over the wire, for one mailbox. `receivedAt` is ISO-8601. */
export class IngestMail {
  constructor(
    readonly data: { readonly mailboxId: string; readonly raw: Uint8Array; readonly receivedAt: string },
    readonly metadata: RequestMetadata,
  ) {}
}

export type Ingested =
  | {
      readonly outcome: 'accepted' | 'duplicate';
      readonly messageId: string;
      readonly conversationId: string;
      readonly revision: number;
      readonly position: bigint;
    }
  | {
      readonly outcome: 'parked';
      readonly messageId: string;
      readonly reason: string;
      readonly detail: string;
      readonly position: bigint;
    };

/** One mail on its way in: what all steps share. */
interface Intake {
  readonly mailbox: ConnectedMailbox;
  readonly receivedAt: string;
  readonly content: MailContent;
  readonly ids: TenantIds;
  readonly pepper: Uint8Array;
  readonly metadata: RequestMetadata;
}

/**
 * The inbound path: read, name, store, thread. Nothing that has been accepted is ever dropped: bytes that cannot be read
 * as mail are stored whole and parked with the reason. Every step is safe to repeat, so a retry after any failure ends
 * in the same state; what stops after the store is threaded by the reactor.
 */
@CommandHandler(IngestMail)
export class IngestMailHandler implements ICommandHandler<IngestMail, Ingested> {
  constructor(
    @Inject(eventStoreToken) private readonly store: EventStore,
    @Inject(keyRingToken) private readonly keyRing: KeyRing,
    @Inject(mailParserToken) private readonly mailParser: MailParser,
  ) {}

  async execute({ data, metadata }: IngestMail): Promise<Ingested> {
    const { mailboxId, raw, receivedAt } = data;
    const mailbox = await connectedMailbox(this.store, metadata.tenantId, mailboxId);
    await accept(this.store, metadata);
    const pepper = await this.keyRing.pepper(metadata.tenantId);
    const ids = tenantIds(metadata.tenantId, pepper);
    const [result, content] = await Promise.all([this.mailParser.parse(raw), contentOf(raw)]);
    const intake: Intake = { mailbox, receivedAt, content, ids, pepper, metadata };
    if (result.outcome === 'parked') return this.park(intake, result.reason, result.detail);
    try {
      return await this.receive(intake, result.mail);
    } catch (error) {
      // Its envelope alone is more than the log takes at once; its bytes are not.
      if (!(error instanceof AppendTooLarge)) throw error;
      return this.park(
        intake,
        'header-too-large',
        'its addresses and subject exceed what one event can hold',
      );
    }
  }

  private async receive(intake: Intake, mail: ParsedMail): Promise<Ingested> {
    const { mailboxId } = intake.mailbox;
    const normalisedId = mail.messageIdHeader ?? fingerprintId(mail.fingerprint);
    const threadNodeId = intake.ids.messageId(mailboxId, normalisedId);
    try {
      return await this.receiveAs(threadNodeId, threadNodeId, intake, mail);
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'MESSAGE_ID_REUSED') throw error;
      const reusedId = intake.ids.reusedMessageId(mailboxId, normalisedId, mail.fingerprint);
      return this.receiveAs(reusedId, threadNodeId, intake, mail);
    }
  }

  private async receiveAs(
    messageId: string,
    threadNodeId: string,
    intake: Intake,
    mail: ParsedMail,
  ): Promise<Ingested> {
    const { metadata, ids } = intake;
    const { chunks, ref } = await placeContent(this.store, { ...intake, messageId }, metadata);
    const message = { ...factOf(intake, mail), messageId, threadNodeId, content: ref };
    const command = new ReceiveMessage({ chunks, message }, metadata);
    const stored: MessageInLog<MessageFact> = await storeMessage(
      this.store,
      command,
      metadata.requestHash,
      isThreadable,
    );
    const threaded = await threadMessage({ store: this.store, ids }, asStored(stored));
    const { conversationId, revision, position } = threaded;
    const outcome = stored.isOurs ? 'accepted' : 'duplicate';
    return { outcome, messageId, conversationId, revision, position: later(position, stored.position) };
  }

  private async park(intake: Intake, reason: string, detail: string): Promise<Ingested> {
    const { mailbox, receivedAt, content, metadata, pepper } = intake;
    const name = parkedMessageIdName(mailbox.mailboxId, content.sha256);
    const messageId = pepperedId(pepper, metadata.tenantId, name);
    const { chunks, ref } = await placeContent(this.store, { ...intake, messageId }, metadata);
    const message = {
      ...{ messageId, mailboxId: mailbox.mailboxId, reason, detail },
      ...{ receivedAt, content: ref, parserVersion },
    };
    const command = new ParkMessage({ chunks, message }, metadata);
    const { fact, position } = await storeMessage(this.store, command, metadata.requestHash, isParked);
    const { reason: firstReason, detail: firstDetail } = fact.data;
    return { outcome: 'parked', messageId, reason: firstReason, detail: firstDetail, position };
  }
}

function factOf(
  { mailbox, receivedAt, ids }: Intake,
  mail: ParsedMail,
): Omit<MessageReceived['data'], 'messageId' | 'threadNodeId' | 'content'> {
  const { mailboxId, threadingPolicy } = mailbox;
  const { base, isReply } = baseSubject(mail.subject);
  const joinsBySubject = threadingPolicy === 'references-and-subject' && base !== '';
  return {
    mailboxId,
    ancestorNodeIds: ancestorsOf(mail).map((id) => ids.messageId(mailboxId, id)),
    subjectNodeId: joinsBySubject ? ids.subjectNode(mailboxId, base) : null,
    isReplySubject: isReply,
    fingerprint: mail.fingerprint,
    messageType: mail.messageType,
    autoSubmitted: mail.autoSubmitted,
    sentAt: mail.sentAt,
    receivedAt,
    attachmentCount: mail.attachments.length,
    parserVersion,
    from: mail.from,
    to: mail.to,
    cc: mail.cc,
    subject: mail.subject,
    preview: mail.preview,
  };
}

/** RFC 5256 REFERENCES, step 1: In-Reply-To speaks only where References does not, and then with its first id alone. */
function ancestorsOf({ references, inReplyTo, messageIdHeader }: ParsedMail): string[] {
  const named = references.length > 0 ? references : inReplyTo.slice(0, 1);
  return [...new Set(named)].filter((id) => id !== messageIdHeader);
}

function later(left: bigint, right: bigint): bigint {
  return left > right ? left : right;
}
