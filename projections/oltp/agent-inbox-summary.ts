import { rowOperationInSlot, type RowOperation, type Table } from '../projection';

export interface AgentInboxRow {
  readonly agent_id: string;
  readonly open_conversations: number;
  readonly pending_conversations: number;
  readonly total_unread: number;
}

/**
 * What an agent has on the desk (T-27), one row per agent and slot, so that it moves with its conversations and an agent's
 * figures are a sum. Derived from conversation rows: it cannot drift from them.
 */
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

/** The part of a conversation row that counts for its agent. */
export interface Workload {
  readonly status: string;
  readonly assigned_agent_id: string | null;
  readonly unread_count: number;
}

interface Load {
  readonly open: number;
  readonly pending: number;
  readonly unread: number;
}

const nothing: Load = { open: 0, pending: 0, unread: 0 };

/** Row operations that take away what `before` counted and add what `after` counts. */
export function agentInboxChanges(change: {
  readonly tenantId: string;
  readonly slot: number;
  readonly before: Workload | null;
  readonly after: Workload | null;
}): RowOperation[] {
  const agents = new Set([change.before?.assigned_agent_id, change.after?.assigned_agent_id]);
  return [...agents].flatMap((agentId) => {
    if (agentId === null || agentId === undefined) return [];
    const delta = difference(loadFor(agentId, change.after), loadFor(agentId, change.before));
    if (delta.open === 0 && delta.pending === 0 && delta.unread === 0) return [];
    return [rowOperationInSlot(agentInboxTable, change, [agentId], (row) => added(row, agentId, delta))];
  });
}

/** Only what waits for someone counts: resolved, spam, trash and merged conversations are off the desk (C-18). */
function loadFor(agentId: string, row: Workload | null): Load {
  if (row?.assigned_agent_id !== agentId) return nothing;
  if (row.status === 'open') return { open: 1, pending: 0, unread: row.unread_count };
  if (row.status === 'pending') return { open: 0, pending: 1, unread: row.unread_count };
  return nothing;
}

function difference(after: Load, before: Load): Load {
  return {
    open: after.open - before.open,
    pending: after.pending - before.pending,
    unread: after.unread - before.unread,
  };
}

function added(row: AgentInboxRow | null, agentId: string, delta: Load): AgentInboxRow | null {
  const sum = {
    agent_id: agentId,
    open_conversations: (row?.open_conversations ?? 0) + delta.open,
    pending_conversations: (row?.pending_conversations ?? 0) + delta.pending,
    total_unread: (row?.total_unread ?? 0) + delta.unread,
  };
  const empty = sum.open_conversations === 0 && sum.pending_conversations === 0 && sum.total_unread === 0;
  return empty ? null : sum;
}
