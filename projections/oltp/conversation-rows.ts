import type { ConversationStatus } from '../../domain/conversation/conversation.events';
import { rowOperationInSlot, type RowChange, type RowOperation, type Table } from '../projection';

export interface ConversationRow {
  readonly id: string;
  readonly email_account_id: string;
  readonly subject: string;
  readonly status: ConversationStatus | 'merged';
  readonly assigned_agent_id: string | null;
  readonly unread_count: number;
  readonly message_count: number;
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
export interface AgentInboxRow {
  readonly agent_id: string;
  readonly open_conversations: number;
  readonly pending_conversations: number;
  readonly total_unread: number;
}

export const agentInboxTable: Table<AgentInboxRow> = {
  name: 'agent_inbox_summary',
  primaryKey: ['agent_id'],
  isKeyedBySlot: true,
  columns: {
    agent_id: 'uuid',
    open_conversations: 'integer',
    pending_conversations: 'integer',
    total_unread: 'integer',
  },
};

export const conversationsTable: Table<ConversationRow> = {
  name: 'conversations',
  primaryKey: ['id'],
  columns: {
    id: 'uuid',
    email_account_id: 'uuid',
    subject: 'text',
    status: 'text',
    assigned_agent_id: 'uuid',
    unread_count: 'integer',
    message_count: 'integer',
    last_from: 'text',
    preview: 'text',
    last_message_at: 'timestamptz',
    merged_into: 'uuid',
    created_at: 'timestamptz',
    updated_at: 'timestamptz',
    stream_revision: 'bigint',
  },
  derive: agentFigures,
};

export const conversationReadsTable: Table<ConversationReadRow> = {
  name: 'conversation_reads',
  primaryKey: ['conversation_id', 'agent_id'],
  columns: { conversation_id: 'uuid', agent_id: 'uuid', seen_count: 'integer', seen_at: 'timestamptz' },
};

export const conversationNotesTable: Table<ConversationNoteRow> = {
  name: 'conversation_notes',
  primaryKey: ['conversation_id', 'id'],
  columns: {
    conversation_id: 'uuid',
    id: 'uuid',
    author_id: 'uuid',
    body: 'text',
    created_at: 'timestamptz',
  },
};

interface Share {
  readonly agentId: string;
  readonly open: number;
  readonly pending: number;
  readonly unread: number;
}

/** An agent's figures change by the difference between what the conversation added before and what it adds now. */
function agentFigures({ tenantId, slot, before, after }: RowChange<ConversationRow>): RowOperation[] {
  const [left, entered] = [shareOf(before), shareOf(after)];
  if (left !== null && entered !== null && left.agentId === entered.agentId) {
    const difference = sum(entered, left, -1);
    return isNothing(difference) ? [] : [addition({ tenantId, slot }, difference)];
  }
  return [
    ...(left === null ? [] : [sum(nothingOf(left.agentId), left, -1)]),
    ...(entered === null ? [] : [entered]),
  ]
    .filter((share) => !isNothing(share))
    .map((share) => addition({ tenantId, slot }, share));
}

/** What a conversation adds to its agent's figures. A closed one adds nothing, whatever is unread in it. */
function shareOf(row: ConversationRow | null): Share | null {
  if (row === null || row.assigned_agent_id === null) return null;
  const isOpen = row.status === 'open';
  const isPending = row.status === 'pending';
  return {
    agentId: row.assigned_agent_id,
    open: isOpen ? 1 : 0,
    pending: isPending ? 1 : 0,
    unread: isOpen || isPending ? row.unread_count : 0,
  };
}

function addition(place: { tenantId: string; slot: number }, share: Share): RowOperation {
  return rowOperationInSlot(agentInboxTable, place, [share.agentId], (row) => {
    const total = sum(row === null ? nothingOf(share.agentId) : shareIn(row), share, 1);
    if (isNothing(total)) return null;
    return {
      agent_id: total.agentId,
      open_conversations: total.open,
      pending_conversations: total.pending,
      total_unread: total.unread,
    };
  });
}

function shareIn(row: AgentInboxRow): Share {
  return {
    agentId: row.agent_id,
    open: row.open_conversations,
    pending: row.pending_conversations,
    unread: row.total_unread,
  };
}

function sum(left: Share, right: Share, sign: 1 | -1): Share {
  return {
    agentId: left.agentId,
    open: left.open + sign * right.open,
    pending: left.pending + sign * right.pending,
    unread: left.unread + sign * right.unread,
  };
}

function nothingOf(agentId: string): Share {
  return { agentId, open: 0, pending: 0, unread: 0 };
}

function isNothing({ open, pending, unread }: Share): boolean {
  return open === 0 && pending === 0 && unread === 0;
}
