import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { slotOf } from '../../../domain/slot';
import { apiKeyHash, formatApiKey } from '../../../apps/shared/http/api-key';
import { idOf } from '../../support/recorded-log';
import type { Row, Tier } from './read-side';
import { conversationRow, messageRow, seededAt, type SeededTenant } from './seeded-tenant';

/** A row, and the slot its entity has. */
export interface PlacedRow {
  readonly tier: Tier;
  readonly table: string;
  readonly slot: number;
  readonly row: Row;
}

export interface PlacedTenant extends SeededTenant {
  readonly rows: readonly PlacedRow[];
  readonly conversationIds: readonly string[];
  /** Merged into one another, the last one into {@link SeededTenant.conversationId}. */
  readonly aliasIds: readonly string[];
  readonly agentIds: readonly string[];
  readonly mailboxIds: readonly string[];
}

/**
 * So many rows that every shard of four has some of each list, in slots as projections give them. The same name gives the
 * same ids.
 */
export function placedTenant(name: string): PlacedTenant {
  const tenantId = idOf(name);
  const secret = createHash('sha256').update(tenantId).digest();
  const [conversationIds, aliasIds, agentIds, mailboxIds] = [
    ids(`${name} conversation`, 24),
    ids(`${name} alias`, 4),
    ids(`${name} agent`, 9),
    ids(`${name} mailbox`, 6),
  ];
  const tenant: SeededTenant = {
    ...{ tenantId, key: formatApiKey({ tenantId, secret }), canary: `canary-${tenantId.slice(0, 8)}` },
    ...{ agentId: first(agentIds), mailboxId: first(mailboxIds), conversationId: first(conversationIds) },
    ...{ aliasId: first(aliasIds), messageId: idOf(`${name} message`), attachmentId: idOf(`${name} file`) },
    parkedMessageId: idOf(`${name} parked`),
  };
  const rows: PlacedRow[] = [];
  const add = (tier: Tier, table: string, entityId: string, row: Row): void => {
    const slot = slotOf(tenantId, entityId);
    rows.push({ tier, table, slot, row: { tenant_id: tenantId, slot, log_position: 0, ...row } });
  };
  add('oltp', 'api_keys', tenantId, {
    ...{ id: idOf(`${name} key`), name: 'key', key_hash: apiKeyHash(secret), created: seededAt },
  });
  for (const [n, id] of agentIds.entries())
    add('oltp', 'users', id, {
      ...{ id, name: `agent ${n}`, email: `${n}@x.example`, role: 'agent', status: 'active' },
      // Ties: half of them were created at one moment.
      ...{ created: moment(n % 2), updated: moment(n) },
    });
  for (const [n, id] of mailboxIds.entries()) {
    add('oltp', 'mailboxes', id, {
      ...{ id, name: `mailbox ${n}`, address: `${n}@in.example`, threading_policy: 'references' },
      ...{ created: moment(n % 2), updated: moment(n) },
    });
    for (const day of ['2026-11-18', '2026-11-19', '2026-11-20'])
      add('olap', 'daily_analytics', id, analytics(day, id, n));
  }
  addConversations(tenant, { conversationIds, aliasIds, agentIds, mailboxIds }, add);
  addMessages(tenant, conversationIds, add);
  return { ...tenant, rows, conversationIds, aliasIds, agentIds, mailboxIds };
}

type Add = (tier: Tier, table: string, entityId: string, row: Row) => void;

function addConversations(
  tenant: SeededTenant,
  of: Pick<PlacedTenant, 'conversationIds' | 'aliasIds' | 'agentIds' | 'mailboxIds'>,
  add: Add,
): void {
  for (const [n, id] of of.conversationIds.entries()) {
    const agentId = of.agentIds[n % of.agentIds.length];
    const row = {
      ...{ id, subject: `conversation ${n}`, status: n % 3 === 1 ? 'pending' : 'open' },
      ...{ email_account_id: of.mailboxIds[n % of.mailboxIds.length], assigned_agent_id: agentId },
      ...{ updated_at: moment(n % 5), stream_revision: n },
    };
    add('oltp', 'conversations', id, conversationRow(tenant, row));
    add('oltp', 'conversation_notes', id, {
      ...{
        conversation_id: id,
        id: idOf(`note ${id}`),
        author_id: agentId,
        body: `note ${n}`,
        created_at: seededAt,
      },
    });
    add('oltp', 'conversation_reads', id, {
      ...{ conversation_id: id, agent_id: agentId, seen_count: n, seen_at: seededAt },
    });
    add('oltp', 'agent_inbox_summary', id, {
      ...{ agent_id: agentId, open_conversations: 1, pending_conversations: n, total_unread: 2 * n },
    });
  }
  for (const [n, id] of of.aliasIds.entries()) {
    const merged_into = of.aliasIds[n + 1] ?? tenant.conversationId;
    add('oltp', 'conversations', id, conversationRow(tenant, { id, status: 'merged', merged_into }));
  }
}

function addMessages(tenant: SeededTenant, conversationIds: readonly string[], add: Add): void {
  const messageIds = [tenant.messageId, ...ids(tenant.messageId, 29)];
  for (const [n, id] of messageIds.entries()) {
    // Half of them in one conversation, with ties.
    const conversation_id = n % 2 === 0 ? tenant.conversationId : conversationIds[n % conversationIds.length];
    const row = { id, conversation_id, subject: `message ${n}`, processed: moment(n % 7) };
    add('oltp', 'inbox_message_refs', id, messageRow(tenant, row));
    for (const [ordinal, kind] of ['from', 'to', 'to', 'cc'].entries())
      add('oltp', 'message_recipients', id, {
        ...{ message_id: id, ordinal, kind, name: `n${ordinal}`, address: `${n}@b.example` },
      });
    addContent(tenant, id, null, add);
  }
  for (const [n, id] of [tenant.parkedMessageId, ...ids(tenant.parkedMessageId, 8)].entries()) {
    const row = { id, conversation_id: null, status: 'parked', processed: moment(n % 3) };
    add('oltp', 'inbox_message_refs', id, messageRow(tenant, row));
    addContent(tenant, id, `reason ${n}`, add);
  }
}

function addContent(tenant: SeededTenant, id: string, parked_reason: string | null, add: Add): void {
  const storage_key = `k-${id}`;
  const raw = Buffer.from(`Subject: ${id}\r\n\r\n`);
  add('content', 'content_objects', id, {
    ...{ storage_key, message_id: id, content_text: gzipSync(`text of ${id}`), content_raw: gzipSync(raw) },
    ...{ headers: '[]', raw_size_bytes: raw.length, raw_sha256: sha256(raw), compression_type: 'gzip' },
    ...{ parser_version: 1, parked_reason, created: seededAt, archived: false },
  });
  const attachmentId = id === tenant.messageId ? tenant.attachmentId : idOf(`file ${id}`);
  add('content', 'attachments', id, {
    ...{ id: attachmentId, parent_storage_key: storage_key, ordinal: 0, filename: 'a.txt' },
    ...{ mime_type: 'text/plain', size_bytes: raw.length, content: raw, content_sha256: sha256(raw) },
    ...{ content_id: null, storage_disposition: 'attachment', created: seededAt },
  });
}

function analytics(day: string, mailboxId: string, n: number): Row {
  return {
    ...{ day, email_account_id: mailboxId, messages_received: n, messages_sent: 1, bounces_received: 0 },
    ...{ auto_replies_received: 0, messages_parked: 0, bytes_received: 3_000_000_000 + n },
    ...{ conversations_opened: 2, conversations_resolved: n, conversations_merged: 0, notes_added: 1 },
    assignments: 1,
  };
}

function ids(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => idOf(`${name} ${n}`));
}

function first(all: readonly string[]): string {
  return all[0] ?? '';
}

function moment(n: number): string {
  return `2026-11-19T00:00:00.00000${n % 10}Z`;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
