import type { MessageAttached } from '../../domain/conversation/conversation.events';
import type {
  EmailAddress,
  MessageParked,
  MessageReceived,
  MessageSubmitted,
  MessageType,
} from '../../domain/message/message.events';
import {
  rowOperation,
  type ProjectedEvent,
  type Projection,
  type RowOperation,
  type Table,
} from '../projection';
import { instant, truncated } from '../storable';

export interface MessageRefRow {
  readonly id: string;
  readonly email_account_id: string;
  readonly conversation_id: string | null;
  readonly campaign_id: string | null;
  readonly lead_id: string | null;
  readonly parent_message_id: string | null;
  readonly direction: 'inbound' | 'outbound';
  readonly message_type: MessageType;
  readonly from_email: string;
  readonly to_email: string | null;
  readonly subject: string;
  readonly status: 'received' | 'submitted' | 'parked';
  readonly preview: string;
  readonly attachment_count: number;
  readonly thread_node_id: string | null;
  readonly content_storage_key: string;
  readonly sent_at: string | null;
  readonly processed: string;
  readonly created: string;
  readonly updated: string;
  readonly stream_revision: number;
}

export interface RecipientRow {
  readonly message_id: string;
  readonly ordinal: number;
  readonly kind: 'from' | 'to' | 'cc';
  readonly name: string | null;
  readonly address: string;
}

export const inboxMessageRefsTable: Table<MessageRefRow> = {
  name: 'inbox_message_refs',
  primaryKey: ['id'],
  slotColumn: 'id',
  columns: {
    id: 'uuid',
    email_account_id: 'uuid',
    conversation_id: 'uuid',
    campaign_id: 'uuid',
    lead_id: 'uuid',
    parent_message_id: 'uuid',
    direction: 'text',
    message_type: 'text',
    from_email: 'text',
    to_email: 'text',
    subject: 'text',
    status: 'text',
    preview: 'text',
    attachment_count: 'integer',
    thread_node_id: 'uuid',
    content_storage_key: 'text',
    sent_at: 'timestamptz',
    processed: 'timestamptz',
    created: 'timestamptz',
    updated: 'timestamptz',
    stream_revision: 'bigint',
  },
};

export const messageRecipientsTable: Table<RecipientRow> = {
  name: 'message_recipients',
  primaryKey: ['message_id', 'ordinal'],
  isWrittenOnce: true,
  slotColumn: 'message_id',
  columns: { message_id: 'uuid', ordinal: 'smallint', kind: 'text', name: 'text', address: 'text' },
};

// T-01. What is longer stays whole in the content tier (C-29).
const addressLengthMax = 254;
const subjectLengthMax = 500;

/** One row of metadata per message, without its body (T-01, F-02), and its recipients. */
export const inboxMessageRefsProjection: Projection = {
  name: 'inbox-message-refs',
  tables: [inboxMessageRefsTable, messageRecipientsTable],
  project(event) {
    if (event.type === 'MessageReceived') {
      const { sentAt, receivedAt, messageType } = event.data;
      return stored(event, event.data, {
        direction: 'inbound',
        message_type: messageType,
        status: 'received',
        sent_at: sentAt === null ? null : instant(sentAt),
        processed: instant(receivedAt),
      });
    }
    if (event.type === 'MessageSubmitted') {
      const { submittedAt } = event.data;
      return stored(event, event.data, {
        direction: 'outbound',
        message_type: 'email',
        status: 'submitted',
        sent_at: null,
        processed: instant(submittedAt),
      });
    }
    if (event.type === 'MessageParked') return parked(event, event.data);
    if (event.type === 'MessageAttached') {
      const { messageId, conversationId, parentMessageId } = event.data;
      return [placed(event, messageId, conversationId, parentMessageId)];
    }
    return [];
  },
};

type Place = Pick<MessageRefRow, 'direction' | 'message_type' | 'status' | 'sent_at' | 'processed'>;

function stored(
  event: ProjectedEvent,
  data: MessageReceived['data'] | MessageSubmitted['data'],
  place: Place,
): RowOperation[] {
  // Columns by name: a spread that is not the first thing of a literal costs more than all the rest of it (V8, measured).
  const row = (): MessageRefRow => ({
    ...unplaced(event, data.messageId, data.mailboxId, data.content.storageKey),
    direction: place.direction,
    message_type: place.message_type,
    status: place.status,
    sent_at: place.sent_at,
    processed: place.processed,
    from_email: truncated(data.from[0]?.address ?? '', addressLengthMax),
    to_email: data.to[0] ? truncated(data.to[0].address, addressLengthMax) : null,
    subject: truncated(data.subject, subjectLengthMax),
    preview: data.preview,
    attachment_count: data.attachmentCount,
    thread_node_id: data.threadNodeId,
  });
  return [onMessage(event, data.messageId, row), ...recipientsOf(event, data)];
}

function parked(event: ProjectedEvent, data: MessageParked['data']): RowOperation[] {
  const row = (): MessageRefRow => ({
    ...unplaced(event, data.messageId, data.mailboxId, data.content.storageKey),
    direction: 'inbound',
    message_type: 'email',
    status: 'parked',
    sent_at: null,
    processed: instant(data.receivedAt),
    from_email: '',
    to_email: null,
    subject: '',
    preview: data.reason,
    attachment_count: 0,
    thread_node_id: null,
  });
  return [onMessage(event, data.messageId, row)];
}

function unplaced(event: ProjectedEvent, id: string, mailboxId: string, storageKey: string) {
  const occurredAt = instant(event.metadata.occurredAt);
  return {
    id,
    email_account_id: mailboxId,
    conversation_id: null,
    campaign_id: null,
    lead_id: null,
    parent_message_id: null,
    content_storage_key: storageKey,
    created: occurredAt,
    updated: occurredAt,
    stream_revision: event.revision,
  };
}

/** A later attachment wins: a message that moved shows its new conversation, whichever was folded first. */
function placed(
  event: ProjectedEvent,
  messageId: MessageAttached['data']['messageId'],
  conversationId: string,
  parentMessageId: string | null,
): RowOperation {
  return onMessage(
    event,
    messageId,
    (row) =>
      row && {
        ...row,
        conversation_id: conversationId,
        parent_message_id: parentMessageId,
        updated: instant(event.metadata.occurredAt),
      },
  );
}

function recipientsOf(
  event: ProjectedEvent,
  { messageId, from, to, cc }: Pick<MessageReceived['data'], 'messageId' | 'from' | 'to' | 'cc'>,
): RowOperation[] {
  const named = (kind: RecipientRow['kind'], addresses: readonly EmailAddress[]) =>
    addresses.map(({ name, address }) => ({ kind, name, address }));
  return [...named('from', from), ...named('to', to), ...named('cc', cc)].map((recipient, ordinal) =>
    rowOperation(messageRecipientsTable, owner(event, messageId), [messageId, ordinal], () => ({
      ...recipient,
      message_id: messageId,
      ordinal,
    })),
  );
}

function onMessage(
  event: ProjectedEvent,
  messageId: string,
  fold: (row: MessageRefRow | null) => MessageRefRow | null,
): RowOperation {
  return rowOperation(inboxMessageRefsTable, owner(event, messageId), [messageId], fold);
}

function owner(
  { metadata: { tenantId } }: ProjectedEvent,
  messageId: string,
): { tenantId: string; slotEntityId: string } {
  return { tenantId, slotEntityId: messageId };
}
