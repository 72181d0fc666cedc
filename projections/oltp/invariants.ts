import type { Balance, RowInvariant } from '../invariant';

export const oltpRowInvariants: readonly RowInvariant[] = [
  {
    name: 'a conversation is as unread as its marks say',
    violations: `select tenant_id || ' ' || id as key from {conversations}
      where unread_count <> jsonb_array_length(unread_message_ids) or unread_count < 0`,
  },
  {
    name: 'every recipient has its message',
    violations: `select r.tenant_id || ' ' || r.message_id || ' ' || r.ordinal as key from {message_recipients} r
      where not exists (select from {inbox_message_refs} m where m.tenant_id = r.tenant_id and m.id = r.message_id)`,
  },
  {
    name: 'every note has its conversation',
    violations: `select n.tenant_id || ' ' || n.conversation_id || ' ' || n.id as key from {conversation_notes} n
      where not exists (select from {conversations} c where c.tenant_id = n.tenant_id and c.id = n.conversation_id)`,
  },
  {
    name: 'whatever an agent has seen is there',
    violations: `select r.tenant_id || ' ' || r.conversation_id || ' ' || r.agent_id as key from {conversation_reads} r
      where not exists (select from {conversations} c where c.tenant_id = r.tenant_id and c.id = r.conversation_id)`,
  },
];

/** An agent's figures per slot: open, pending, unread; what is resolved, spam, trash or merged is off the desk. */
const desk = (where: string, figure: string, name: string): string =>
  `select tenant_id, slot || ' ' || assigned_agent_id || ' ${name}' as key, ${figure} as figure
   from {conversations} where assigned_agent_id is not null and ${where}`;
const shown = (column: string, name: string): string =>
  `select tenant_id, slot || ' ' || agent_id || ' ${name}' as key, ${column} as figure from {agent_inbox_summary}`;

export const oltpBalances: readonly Balance[] = [
  {
    name: 'a conversation has as many messages as it counts',
    left: {
      tier: 'oltp',
      sql: `select tenant_id, id::text as key, message_count as figure from {conversations}`,
    },
    right: {
      tier: 'oltp',
      sql: `select tenant_id, conversation_id::text as key, 1 as figure
            from {inbox_message_refs} where conversation_id is not null`,
    },
  },
  {
    name: 'an agent has on the desk what is assigned',
    left: {
      tier: 'oltp',
      sql: [
        desk(`status = 'open'`, '1', 'open'),
        desk(`status = 'pending'`, '1', 'pending'),
        desk(`status in ('open', 'pending')`, 'unread_count', 'unread'),
      ].join(' union all '),
    },
    right: {
      tier: 'oltp',
      sql: [
        shown('open_conversations', 'open'),
        shown('pending_conversations', 'pending'),
        shown('total_unread', 'unread'),
      ].join(' union all '),
    },
  },
];
