import { createHash, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { apiKeyHash, formatApiKey } from '../../../apps/shared/http/api-key';
import type { ReadSide, Row } from './read-side';

export interface SeededTenant {
  readonly tenantId: string;
  readonly key: string;
  readonly canary: string;
  readonly agentId: string;
  readonly mailboxId: string;
  readonly conversationId: string;
  readonly aliasId: string;
  readonly messageId: string;
  readonly attachmentId: string;
  readonly parkedMessageId: string;
}

export const seededAt = '2026-11-20T10:00:00.000Z';
export const seededRaw = Buffer.from('From: a@b.example\r\nSubject: raw \xe9\r\n\r\nbytes\r\n', 'latin1');
export const seededHtml =
  '<p onclick="x()">Hi <script>steal()</script><img src="https://tracker.example/1.png"><img src="cid:logo@x"></p>';

/** One of everything, each text holding the tenant's canary, so that a leak shows in any answer. */
export async function seedTenant(side: ReadSide, generation = 1): Promise<SeededTenant> {
  const tenantId = randomUUID();
  const secret = createHash('sha256').update(tenantId).digest();
  const canary = `canary-${tenantId.slice(0, 8)}`;
  const ids = {
    agentId: randomUUID(),
    mailboxId: randomUUID(),
    conversationId: randomUUID(),
    aliasId: randomUUID(),
    messageId: randomUUID(),
    attachmentId: randomUUID(),
    parkedMessageId: randomUUID(),
  };
  const tenant: SeededTenant = { tenantId, key: formatApiKey({ tenantId, secret }), canary, ...ids };
  const oltp = (table: string, row: Row): Promise<void> =>
    side.insert('oltp', table, { tenant_id: tenantId, ...row }, generation);
  await oltp('api_keys', { id: randomUUID(), name: 'key', key_hash: apiKeyHash(secret), created: seededAt });
  await oltp('users', {
    id: ids.agentId,
    name: canary,
    email: `${canary}@x.example`,
    role: 'agent',
    status: 'active',
    created: seededAt,
    updated: seededAt,
  });
  await oltp('mailboxes', {
    id: ids.mailboxId,
    name: canary,
    address: `${canary}@in.example`,
    threading_policy: 'references',
    created: seededAt,
    updated: seededAt,
  });
  await oltp('conversations', conversationRow(tenant));
  await oltp(
    'conversations',
    conversationRow(tenant, {
      id: ids.aliasId,
      status: 'merged',
      merged_into: ids.conversationId,
      unread_count: 0,
    }),
  );
  await oltp('conversation_notes', {
    conversation_id: ids.conversationId,
    id: randomUUID(),
    author_id: ids.agentId,
    body: `${canary} note`,
    created_at: seededAt,
  });
  await oltp('conversation_reads', {
    conversation_id: ids.conversationId,
    agent_id: ids.agentId,
    seen_count: 1,
    seen_at: seededAt,
  });
  await oltp('agent_inbox_summary', {
    agent_id: ids.agentId,
    slot: 1,
    open_conversations: 1,
    pending_conversations: 2,
    total_unread: 3,
  });
  await oltp('agent_inbox_summary', {
    agent_id: ids.agentId,
    slot: 2,
    open_conversations: 10,
    pending_conversations: 0,
    total_unread: 4,
  });
  await oltp('inbox_message_refs', messageRow(tenant));
  await oltp(
    'inbox_message_refs',
    messageRow(tenant, {
      id: ids.parkedMessageId,
      status: 'parked',
      conversation_id: null,
      content_storage_key: 'parked',
    }),
  );
  await oltp('message_recipients', {
    message_id: ids.messageId,
    ordinal: 0,
    kind: 'from',
    name: canary,
    address: 'a@b.example',
  });
  await oltp('message_recipients', {
    message_id: ids.messageId,
    ordinal: 1,
    kind: 'to',
    name: null,
    address: 'b@b.example',
  });
  await oltp('message_recipients', {
    message_id: ids.messageId,
    ordinal: 2,
    kind: 'cc',
    name: null,
    address: 'c@b.example',
  });
  await seedContent(side, tenant, generation);
  await side.insert('olap', 'daily_analytics', analyticsRow(tenant, '2026-11-20', ids.mailboxId), generation);
  await side.insert('olap', 'daily_analytics', analyticsRow(tenant, '2026-11-20', randomUUID()), generation);
  return tenant;
}

async function seedContent(side: ReadSide, tenant: SeededTenant, generation: number): Promise<void> {
  const { tenantId, messageId, parkedMessageId, attachmentId, canary } = tenant;
  const content = {
    tenant_id: tenantId,
    content_raw: gzipSync(seededRaw),
    headers: JSON.stringify([{ name: 'Subject', value: canary }]),
    raw_size_bytes: seededRaw.length,
    raw_sha256: createHash('sha256').update(seededRaw).digest('hex'),
    compression_type: 'gzip',
    parser_version: 1,
    created: seededAt,
    archived: false,
  };
  await side.insert(
    'content',
    'content_objects',
    {
      ...content,
      storage_key: `k-${messageId}`,
      message_id: messageId,
      content_text: gzipSync(`${canary} text`),
      content_html: gzipSync(seededHtml),
    },
    generation,
  );
  await side.insert(
    'content',
    'content_objects',
    {
      ...content,
      storage_key: 'parked',
      message_id: parkedMessageId,
      headers: '[]',
      parked_reason: 'not-mime',
    },
    generation,
  );
  await side.insert(
    'content',
    'attachments',
    {
      tenant_id: tenantId,
      id: attachmentId,
      parent_storage_key: `k-${messageId}`,
      ordinal: 0,
      filename: 'a\r\nSet-Cookie: x=1\u202egpj."exe"',
      mime_type: 'image/svg+xml',
      size_bytes: 5,
      content: Buffer.from('<svg>'),
      content_sha256: createHash('sha256').update('<svg>').digest('hex'),
      content_id: 'logo@x',
      storage_disposition: 'inline',
      created: seededAt,
    },
    generation,
  );
}

export function conversationRow(tenant: SeededTenant, overrides: Row = {}): Row {
  return {
    tenant_id: tenant.tenantId,
    id: tenant.conversationId,
    email_account_id: tenant.mailboxId,
    subject: `${tenant.canary} subject`,
    status: 'open',
    assigned_agent_id: tenant.agentId,
    unread_count: 1,
    message_count: 1,
    unread_message_ids: '[]',
    last_from: 'a@b.example',
    preview: 'preview',
    last_message_at: seededAt,
    created_at: seededAt,
    updated_at: seededAt,
    stream_revision: 7,
    ...overrides,
  };
}

export function messageRow(tenant: SeededTenant, overrides: Row = {}): Row {
  return {
    tenant_id: tenant.tenantId,
    id: tenant.messageId,
    email_account_id: tenant.mailboxId,
    conversation_id: tenant.conversationId,
    direction: 'inbound',
    message_type: 'email',
    from_email: 'a@b.example',
    to_email: 'b@b.example',
    subject: `${tenant.canary} subject`,
    status: 'received',
    preview: 'preview',
    attachment_count: 1,
    thread_node_id: tenant.messageId,
    content_storage_key: `k-${tenant.messageId}`,
    processed: seededAt,
    created: seededAt,
    updated: seededAt,
    stream_revision: 1,
    ...overrides,
  };
}

function analyticsRow({ tenantId }: SeededTenant, day: string, mailboxId: string): Row {
  return {
    tenant_id: tenantId,
    day,
    email_account_id: mailboxId,
    messages_received: 5,
    messages_sent: 1,
    bounces_received: 0,
    auto_replies_received: 0,
    messages_parked: 0,
    bytes_received: 1000,
    conversations_opened: 2,
    conversations_resolved: 1,
    conversations_merged: 0,
    notes_added: 1,
    assignments: 1,
  };
}
