import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import type { Recorded } from '../../../../domain/event';
import { isoTime, type OracleRow, type OracleStream, type OracleValue } from './oracle';

interface Conversation {
  mailbox: string;
  subject: string;
  status: string;
  agent: string | null;
  messages: number;
  /** Ids of unread messages; the conversation's own id is a mark that an agent has set. */
  unread: string[];
  newest: { id: string | null; from: string; preview: string; at: string | null };
  mergedInto: string | null;
  createdAt: string;
  updatedAt: string;
}

type Attached = Extract<MailfoldEvent, { type: 'MessageAttached' }>['data'];

interface Seen {
  readonly count: number;
  readonly at: string;
  readonly position: bigint;
}

const nothingNew = { id: null, from: '', preview: '', at: null };

/** The conversation itself, what each agent has seen of it, and its notes. */
export function conversationRows(
  { tenantId, entityId }: OracleStream,
  events: readonly Recorded<MailfoldEvent>[],
): OracleRow[] {
  const seen = new Map<string, Seen | null>();
  const rows: OracleRow[] = [];
  const owned = { tenantId, slotEntityId: entityId };
  let conversation: Conversation | null = null;
  for (const event of events) {
    const at = isoTime(event.metadata.occurredAt);
    if (event.type === 'ConversationOpened') conversation = opened(event, conversation);
    else if (conversation !== null) happen(conversation, entityId, event);
    const isReading = event.type === 'ConversationRead' || event.type === 'ConversationMarkedUnread';
    if (conversation !== null && !isReading && at > conversation.updatedAt) conversation.updatedAt = at;
    if (event.type === 'ConversationRead')
      seen.set(event.data.agentId, { count: event.data.messageCount, at, position: event.position });
    if (event.type === 'ConversationMarkedUnread') seen.set(event.data.agentId, null);
    if (event.type === 'NoteAdded') rows.push({ ...owned, ...noteRow(event) });
  }
  for (const [agent, last] of seen) rows.push({ ...owned, ...seenRow(entityId, agent, last) });
  const last = events.at(-1);
  return [
    {
      ...{ ...owned, table: 'conversations', key: { id: entityId } },
      values: conversation === null || last === undefined ? null : columnsOf(conversation, last),
    },
    ...rows,
  ];
}

/** Also one that was merged away and is needed again: it begins anew, but for the time of its creation. */
function opened(
  { data }: Recorded<Extract<MailfoldEvent, { type: 'ConversationOpened' }>>,
  before: Conversation | null,
): Conversation {
  const at = isoTime(data.openedAt);
  return {
    ...{ mailbox: data.mailboxId, subject: data.subject, status: 'open', agent: null, messages: 0 },
    ...{ unread: [], newest: nothingNew, mergedInto: null },
    ...{ createdAt: before?.createdAt ?? at, updatedAt: at },
  };
}

function happen(conversation: Conversation, id: string, event: Recorded<MailfoldEvent>): void {
  if (event.type === 'MessageAttached') attach(conversation, event.data);
  if (event.type === 'MessageDetached') detach(conversation, event.data.messageId);
  if (event.type === 'ConversationMerged')
    Object.assign(conversation, { status: 'merged', mergedInto: event.data.into, messages: 0, unread: [] });
  if (event.type === 'ConversationStatusChanged') conversation.status = event.data.to;
  if (event.type === 'ConversationAssigned') conversation.agent = event.data.assigneeId;
  if (event.type === 'ConversationUnassigned') conversation.agent = null;
  if (event.type === 'ConversationRead') conversation.unread = [];
  if (event.type === 'ConversationMarkedUnread')
    if (conversation.unread.length === 0 && conversation.messages > 0) conversation.unread = [id];
}

function attach(conversation: Conversation, { messageId, direction, ...message }: Attached): void {
  const at = isoTime(message.at);
  conversation.messages += 1;
  if (direction === 'inbound') conversation.unread.push(messageId);
  const newestAt = conversation.newest.at;
  if (newestAt === null || Date.parse(at) >= Date.parse(newestAt))
    conversation.newest = { id: messageId, from: message.from, preview: message.preview, at };
}

/** It takes its own mark along; where none is left, there is nothing to be unread. */
function detach(conversation: Conversation, messageId: string): void {
  if (conversation.messages > 0) conversation.messages -= 1;
  conversation.unread =
    conversation.messages === 0 ? [] : conversation.unread.filter((mark) => mark !== messageId);
  if (conversation.newest.id === messageId) conversation.newest = nothingNew;
}

function columnsOf(
  { newest, ...conversation }: Conversation,
  last: Recorded<MailfoldEvent>,
): Record<string, OracleValue> {
  return {
    email_account_id: conversation.mailbox,
    subject: conversation.subject,
    status: conversation.status,
    assigned_agent_id: conversation.agent,
    unread_count: conversation.unread.length,
    message_count: conversation.messages,
    unread_message_ids: conversation.unread,
    last_message_id: newest.id,
    last_from: newest.from,
    preview: newest.preview,
    last_message_at: newest.at,
    merged_into: conversation.mergedInto,
    created_at: conversation.createdAt,
    updated_at: conversation.updatedAt,
    stream_revision: last.revision,
    log_position: last.position.toString(),
  };
}

function noteRow({
  data,
  position,
}: Recorded<Extract<MailfoldEvent, { type: 'NoteAdded' }>>): Pick<OracleRow, 'table' | 'key' | 'values'> {
  return {
    table: 'conversation_notes',
    key: { conversation_id: data.conversationId, id: data.noteId },
    values: {
      ...{ author_id: data.authorId, body: data.text, created_at: isoTime(data.addedAt) },
      log_position: position.toString(),
    },
  };
}

function seenRow(
  conversationId: string,
  agentId: string,
  last: Seen | null,
): Pick<OracleRow, 'table' | 'key' | 'values'> {
  return {
    table: 'conversation_reads',
    key: { conversation_id: conversationId, agent_id: agentId },
    values: last && { seen_count: last.count, seen_at: last.at, log_position: last.position.toString() },
  };
}
