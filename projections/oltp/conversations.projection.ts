import type {
  ConversationEvent,
  ConversationOpened,
  ConversationStatus,
  MessageAttached,
} from '../../domain/conversation/conversation.events';
import type { Recorded } from '../../domain/event';
import {
  rowOperation,
  type ProjectedEvent,
  type Projection,
  type RowOperation,
  type Table,
} from '../projection';
import { instant } from '../storable';
import { agentInboxChanges, agentInboxTable } from './agent-inbox-summary';

export interface ConversationRow {
  readonly id: string;
  readonly email_account_id: string;
  readonly subject: string;
  readonly status: ConversationStatus | 'merged';
  readonly assigned_agent_id: string | null;
  readonly unread_count: number;
  readonly message_count: number;
  readonly unread_message_ids: readonly string[];
  readonly last_message_id: string | null;
  readonly last_from: string;
  readonly preview: string;
  readonly last_message_at: string | null;
  readonly merged_into: string | null;
  readonly created_at: string;
  readonly updated_at: string;
  readonly stream_revision: number;
}

export interface ConversationReadRow {
  readonly conversation_id: string;
  readonly agent_id: string;
  readonly seen_count: number;
  readonly seen_at: string;
}

export interface ConversationNoteRow {
  readonly conversation_id: string;
  readonly id: string;
  readonly author_id: string;
  readonly body: string;
  readonly created_at: string;
}

export const conversationsTable: Table<ConversationRow> = {
  name: 'conversations',
  primaryKey: ['id'],
  slotColumn: 'id',
  columns: {
    id: 'uuid',
    email_account_id: 'uuid',
    subject: 'text',
    status: 'text',
    assigned_agent_id: 'uuid',
    unread_count: 'integer',
    message_count: 'integer',
    unread_message_ids: 'jsonb',
    last_message_id: 'uuid',
    last_from: 'text',
    preview: 'text',
    last_message_at: 'timestamptz',
    merged_into: 'uuid',
    created_at: 'timestamptz',
    updated_at: 'timestamptz',
    stream_revision: 'bigint',
  },
  derive: agentInboxChanges,
};

export const conversationReadsTable: Table<ConversationReadRow> = {
  name: 'conversation_reads',
  primaryKey: ['conversation_id', 'agent_id'],
  slotColumn: 'conversation_id',
  columns: { conversation_id: 'uuid', agent_id: 'uuid', seen_count: 'integer', seen_at: 'timestamptz' },
};

export const conversationNotesTable: Table<ConversationNoteRow> = {
  name: 'conversation_notes',
  primaryKey: ['conversation_id', 'id'],
  slotColumn: 'conversation_id',
  columns: {
    conversation_id: 'uuid',
    id: 'uuid',
    author_id: 'uuid',
    body: 'text',
    created_at: 'timestamptz',
  },
};

/** The inbox (T-24, T-26): one row per conversation, with its counters, its notes and what each agent has seen. */
export const conversationsProjection: Projection = {
  name: 'conversations',
  tables: [conversationsTable, conversationReadsTable, conversationNotesTable, agentInboxTable],
  project(event) {
    if (!isConversationEvent(event)) return [];
    return [
      onConversation(event, (row) => stamped(event, changed(row, event))),
      ...besideConversation(event),
    ];
  },
};

function isConversationEvent(event: ProjectedEvent): event is Recorded<ConversationEvent> {
  return event.streamName.startsWith('conversation-');
}

function changed(row: ConversationRow | null, event: Recorded<ConversationEvent>): ConversationRow | null {
  if (event.type === 'ConversationOpened') return opened(row, event);
  // A stream begins with ConversationOpened; without it there is no row that later events could change.
  if (!row) return null;
  switch (event.type) {
    case 'MessageAttached':
      return attached(row, event);
    case 'MessageDetached':
      return detached(row, event.data.messageId);
    case 'ConversationMerged':
      return { ...withUnread(row, []), status: 'merged', merged_into: event.data.into, message_count: 0 };
    case 'ConversationStatusChanged':
      return { ...row, status: event.data.to };
    case 'ConversationAssigned':
      return { ...row, assigned_agent_id: event.data.assigneeId };
    case 'ConversationUnassigned':
      return { ...row, assigned_agent_id: null };
    case 'ConversationRead':
      return withUnread(row, []);
    case 'ConversationMarkedUnread':
      return markedUnread(row);
    case 'NoteAdded':
      return row;
  }
}

/** Also the way back of a conversation that had been merged away and is needed again. */
function opened(row: ConversationRow | null, { data }: ConversationOpened): ConversationRow {
  return {
    id: data.conversationId,
    email_account_id: data.mailboxId,
    subject: data.subject,
    status: 'open',
    assigned_agent_id: null,
    unread_count: 0,
    message_count: 0,
    unread_message_ids: [],
    last_message_id: null,
    last_from: '',
    preview: '',
    last_message_at: null,
    merged_into: null,
    created_at: row?.created_at ?? instant(data.openedAt),
    updated_at: instant(data.openedAt),
    stream_revision: 0,
  };
}

function attached(row: ConversationRow, { data }: MessageAttached): ConversationRow {
  const at = instant(data.at);
  const isNewest = row.last_message_at === null || at >= row.last_message_at;
  const unreadIds =
    data.direction === 'inbound' ? [...row.unread_message_ids, data.messageId] : row.unread_message_ids;
  const counted = { ...withUnread(row, unreadIds), message_count: row.message_count + 1 };
  if (!isNewest) return counted;
  return {
    ...counted,
    last_message_id: data.messageId,
    last_from: data.from,
    preview: data.preview,
    last_message_at: at,
  };
}

/**
 * The message takes its own unread mark along, and what the inbox showed of it. The row does not know the older ones, so
 * it shows none until the next: the words of a message that is not here would be worse.
 */
function detached(row: ConversationRow, messageId: string): ConversationRow {
  const messageCount = Math.max(0, row.message_count - 1);
  const isUnread = (mark: string) => mark !== messageId && messageCount > 0;
  const counted = {
    ...withUnread(row, row.unread_message_ids.filter(isUnread)),
    message_count: messageCount,
  };
  if (messageId !== row.last_message_id) return counted;
  return { ...counted, last_message_id: null, last_from: '', preview: '', last_message_at: null };
}

/** The mark is the conversation's own, so that no message which leaves later takes it along. */
function markedUnread(row: ConversationRow): ConversationRow {
  if (row.unread_count > 0 || row.message_count === 0) return row;
  return withUnread(row, [row.id]);
}

function withUnread(row: ConversationRow, messageIds: readonly string[]): ConversationRow {
  return { ...row, unread_count: messageIds.length, unread_message_ids: messageIds };
}

/** Whatever an event did, the row shows its revision; the inbox order follows everything but reading. */
function stamped(event: Recorded<ConversationEvent>, row: ConversationRow | null): ConversationRow | null {
  if (!row) return null;
  const isReading = event.type === 'ConversationRead' || event.type === 'ConversationMarkedUnread';
  const occurredAt = instant(event.metadata.occurredAt);
  const updated = isReading || occurredAt < row.updated_at ? row.updated_at : occurredAt;
  return { ...row, updated_at: updated, stream_revision: event.revision };
}

function besideConversation(event: Recorded<ConversationEvent>): RowOperation[] {
  switch (event.type) {
    case 'ConversationRead': {
      const { conversationId, agentId, messageCount } = event.data;
      const seenAt = instant(event.metadata.occurredAt);
      const row = {
        conversation_id: conversationId,
        agent_id: agentId,
        seen_count: messageCount,
        seen_at: seenAt,
      };
      return [rowOperation(conversationReadsTable, owner(event), [conversationId, agentId], () => row)];
    }
    case 'ConversationMarkedUnread': {
      const { conversationId, agentId } = event.data;
      return [rowOperation(conversationReadsTable, owner(event), [conversationId, agentId], () => null)];
    }
    case 'NoteAdded': {
      const { conversationId, noteId, authorId, addedAt, text } = event.data;
      const row = {
        conversation_id: conversationId,
        id: noteId,
        author_id: authorId,
        body: text,
        created_at: instant(addedAt),
      };
      return [rowOperation(conversationNotesTable, owner(event), [conversationId, noteId], () => row)];
    }
    case 'ConversationOpened':
    case 'MessageAttached':
    case 'MessageDetached':
    case 'ConversationMerged':
    case 'ConversationStatusChanged':
    case 'ConversationAssigned':
    case 'ConversationUnassigned':
      return [];
  }
}

function onConversation(
  event: Recorded<ConversationEvent>,
  fold: (row: ConversationRow | null) => ConversationRow | null,
): RowOperation {
  return rowOperation(conversationsTable, owner(event), [event.data.conversationId], fold);
}

function owner(event: Recorded<ConversationEvent>): { tenantId: string; slotEntityId: string } {
  return { tenantId: event.metadata.tenantId, slotEntityId: event.data.conversationId };
}
