import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import type { Recorded } from '../../../../domain/event';
import { conversationRows } from './conversation-rows';
import { messageRows } from './message-rows';
import {
  isoTime,
  type OracleLog,
  type OracleRow,
  type OracleStream,
  type OracleValue,
  type StreamOracle,
} from './oracle';

/** Messages of a conversation that are looked at with it. */
const messagesPerConversationMax = 20;

const ofConversations = (order: string, where = 'true'): string =>
  `select 'conversation' as category, tenant_id, id as entity_id from {conversations}
   where ${where} order by ${order}, id limit $2 + 0 * $1::bigint`;

/** Of tenants, users, mailboxes, messages and conversations. */
export const oltpOracle: StreamOracle = {
  kind: 'streams',
  categories: ['tenant', 'user', 'mailbox', 'message', 'conversation'],
  worthALook: [
    { why: 'most events', sql: ofConversations('stream_revision desc') },
    { why: 'most messages', sql: ofConversations('message_count desc') },
    { why: 'merged', sql: ofConversations('log_position desc', `status = 'merged'`) },
    { why: 'unread', sql: ofConversations('unread_count desc') },
    { why: 'changed last', sql: ofConversations('log_position desc') },
    { why: 'at random', sql: ofConversations('hashtextextended(id::text, $1::bigint)') },
    {
      why: 'parked mail',
      sql: `select 'message' as category, tenant_id, id as entity_id from {inbox_message_refs}
            where status = 'parked' order by log_position desc limit $2 + 0 * $1::bigint`,
    },
  ],
  async rowsOf(stream: OracleStream, log: OracleLog): Promise<OracleRow[]> {
    if (stream.category === 'message') return messageRows(stream, log);
    const events = await log.read(stream);
    if (stream.category === 'tenant') return tenantRows(stream, events);
    if (stream.category === 'user') return [userRow(stream, events)];
    if (stream.category === 'mailbox') return [mailboxRow(stream, events)];
    if (stream.category !== 'conversation') return [];
    return [...conversationRows(stream, events), ...(await messagesOf(stream, events, log))];
  },
};

async function messagesOf(
  { tenantId }: OracleStream,
  events: readonly Recorded<MailfoldEvent>[],
  log: OracleLog,
): Promise<OracleRow[]> {
  const ids = new Set(
    events.flatMap(({ type, data }) => (type === 'MessageAttached' ? [data.messageId] : [])),
  );
  const rows: OracleRow[] = [];
  for (const entityId of [...ids].slice(0, messagesPerConversationMax))
    rows.push(...(await messageRows({ category: 'message', tenantId, entityId }, log)));
  return rows;
}

function tenantRows({ tenantId }: OracleStream, events: readonly Recorded<MailfoldEvent>[]): OracleRow[] {
  const owned = { tenantId, slotEntityId: tenantId };
  const keys = new Map<string, Record<string, OracleValue>>();
  let tenant: Record<string, OracleValue> | null = null;
  for (const event of events) {
    const at = isoTime(event.metadata.occurredAt);
    const log_position = event.position.toString();
    if (event.type === 'TenantRegistered')
      tenant = { name: event.data.name, time_zone: event.data.timeZone, created: at, log_position };
    if (event.type === 'ApiKeyIssued') {
      const { apiKeyId, name, keyHash, expiresAt } = event.data;
      const expires_at = expiresAt === null ? null : isoTime(expiresAt);
      keys.set(apiKeyId, {
        name,
        key_hash: keyHash,
        expires_at,
        revoked_at: null,
        created: at,
        log_position,
      });
    }
    if (event.type === 'ApiKeyRevoked') {
      const issued = keys.get(event.data.apiKeyId);
      if (issued) keys.set(event.data.apiKeyId, { ...issued, revoked_at: at, log_position });
    }
  }
  return [
    { ...owned, table: 'tenants', key: {}, values: tenant },
    ...[...keys].map(([id, values]) => ({ ...owned, table: 'api_keys', key: { id }, values })),
  ];
}

function userRow(
  { tenantId, entityId }: OracleStream,
  events: readonly Recorded<MailfoldEvent>[],
): OracleRow {
  let user: Record<string, OracleValue> | null = null;
  for (const event of events) {
    const latest = { updated: isoTime(event.metadata.occurredAt), log_position: event.position.toString() };
    if (event.type === 'UserInvited') {
      const { name, email, role } = event.data;
      user = { name, email, role, status: 'invited', created: latest.updated, ...latest };
    }
    if (user === null) continue;
    if (event.type === 'UserActivated') user = { ...user, status: 'active', ...latest };
    if (event.type === 'UserDeactivated') user = { ...user, status: 'deactivated', ...latest };
    if (event.type === 'UserRoleChanged') user = { ...user, role: event.data.to, ...latest };
  }
  return { table: 'users', tenantId, slotEntityId: entityId, key: { id: entityId }, values: user };
}

function mailboxRow(
  { tenantId, entityId }: OracleStream,
  events: readonly Recorded<MailfoldEvent>[],
): OracleRow {
  let mailbox: Record<string, OracleValue> | null = null;
  for (const event of events) {
    const latest = { updated: isoTime(event.metadata.occurredAt), log_position: event.position.toString() };
    if (event.type === 'MailboxConnected') {
      const { name, address, threadingPolicy } = event.data;
      mailbox = { name, address, threading_policy: threadingPolicy, created: latest.updated, ...latest };
    }
    if (mailbox !== null && event.type === 'MailboxThreadingPolicyChanged')
      mailbox = { ...mailbox, threading_policy: event.data.to, ...latest };
  }
  return { table: 'mailboxes', tenantId, slotEntityId: entityId, key: { id: entityId }, values: mailbox };
}
