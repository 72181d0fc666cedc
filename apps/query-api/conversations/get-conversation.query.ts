import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import { nextCursorOf, placeOfCursor, type Place } from '../reading/cursor';
import type { Listing } from '../reading/listing';
import { isoTime, jsonObject, placeOf } from '../reading/row-json';
import { Reads, type Reader } from '../reading/reads';
import { Representation } from '../reading/representation';
import type { PartRows, TenantRows } from '../reading/tenant-rows';

const conversationTtlMs = 5 * 60_000;
/** A merge names the conversation that has the messages now, which may itself be merged later. */
const mergesMax = 16;

/** A conversation with its messages, oldest first, its notes, and who has read how far. */
export class GetConversation extends Query<Representation | null> {
  constructor(
    readonly reader: Reader,
    readonly conversationId: string,
    readonly limit: number,
    readonly cursor: string | undefined,
  ) {
    super();
  }
}

@QueryHandler(GetConversation)
export class GetConversationHandler implements IQueryHandler<GetConversation> {
  constructor(private readonly reads: Reads) {}

  async execute({ reader, conversationId, limit, cursor }: GetConversation): Promise<Representation | null> {
    const behind = placeOfCursor(cursor);
    return this.reads.answer(reader, {
      tiers: ['oltp'],
      cache: {
        route: 'conversation',
        parameters: [conversationId, limit, cursor ?? null],
        ttlMs: conversationTtlMs,
      },
      load: (from) =>
        from.all('oltp', async (rows) => {
          const found = await unmergedConversation(rows, conversationId);
          if (found === null) return null;
          const messages = await rows.page(messagesOf(found.id, limit, behind));
          const headers: Record<string, string> = { etag: `"${found.revision}"` };
          if (found.id !== conversationId) headers['content-location'] = `/v1/conversations/${found.id}`;
          return new Representation(
            `{"conversation":${found.item},"messages":${messages.items},` +
              `"nextCursor":${nextCursorOf(messages)},"notes":${found.notes},"reads":${found.reads}}`,
            headers,
          );
        }),
    });
  }
}

const conversation = jsonObject({
  id: 'c.id',
  mailboxId: 'c.email_account_id',
  subject: 'c.subject',
  status: 'c.status',
  assigneeId: 'c.assigned_agent_id',
  unreadCount: 'c.unread_count',
  messageCount: 'c.message_count',
  lastFrom: 'c.last_from',
  preview: 'c.preview',
  lastMessageAt: isoTime('c.last_message_at'),
  createdAt: isoTime('c.created_at'),
  updatedAt: isoTime('c.updated_at'),
  revision: 'c.stream_revision',
});
const note = jsonObject({
  id: 'n.id',
  authorId: 'n.author_id',
  text: 'n.body',
  createdAt: isoTime('n.created_at'),
});
const read = jsonObject({ agentId: 'r.agent_id', seenCount: 'r.seen_count', seenAt: isoTime('r.seen_at') });

interface ConversationRow {
  readonly id: string;
  readonly status: string;
  readonly mergedInto: string | null;
  readonly revision: string;
  readonly item: string;
  readonly notes: string;
  readonly reads: string;
}

/** The conversation itself or, for one that was merged, the one that has its messages now. It may lie in any part. */
async function unmergedConversation(rows: TenantRows, id: string): Promise<ConversationRow | null> {
  let wanted = id;
  for (let merges = 0; merges <= mergesMax; merges++) {
    const found = await conversationRow(rows.holding(wanted), wanted);
    if (found?.status !== 'merged') return found;
    if (found.mergedInto === null) return null;
    wanted = found.mergedInto;
  }
  return null;
}

/** Notes and read marks lie where their conversation does. */
async function conversationRow(
  { schema, tenantId, query }: PartRows,
  id: string,
): Promise<ConversationRow | null> {
  const [row] = await query<ConversationRow & Record<string, unknown>>(
    'conversation',
    `select c.id, c.status, c.merged_into as "mergedInto", c.stream_revision as revision, ${conversation}::text as item,
       (select coalesce(json_agg(${note} order by n.created_at, n.id), '[]') from ${schema}.conversation_notes n
        where n.tenant_id = $1 and n.conversation_id = c.id)::text as notes,
       (select coalesce(json_agg(${read} order by r.agent_id), '[]') from ${schema}.conversation_reads r
        where r.tenant_id = $1 and r.conversation_id = c.id)::text as reads
     from ${schema}.conversations c where c.tenant_id = $1 and c.id = $2`,
    [tenantId, id],
  );
  return row ?? null;
}

const message = jsonObject({
  id: 'm.id',
  conversationId: 'm.conversation_id',
  direction: 'm.direction',
  messageType: 'm.message_type',
  status: 'm.status',
  parentMessageId: 'm.parent_message_id',
  from: 'people."from"',
  to: 'people."to"',
  cc: 'people.cc',
  subject: 'm.subject',
  preview: 'm.preview',
  attachmentCount: 'm.attachment_count',
  sentAt: isoTime('m.sent_at'),
  receivedAt: isoTime('m.processed'),
});

/**
 * Messages have slots of their own, so those of one conversation lie in all parts; a message's recipients lie with it.
 * Served by inbox_message_refs_by_conversation.
 */
function messagesOf(conversationId: string, limit: number, behind: Place | null): Listing {
  const person = jsonObject({ name: 'p.name', address: 'p.address' });
  const people = (kind: string): string =>
    `coalesce(json_agg(${person} order by p.ordinal) filter (where p.kind = '${kind}'), '[]') as "${kind}"`;
  const select: Listing['select'] = ({ schema, within }) => `
    select ${message} as item, ${placeOf('m.processed', 'm.id')} as place
    from (select * from ${schema}.inbox_message_refs
          where tenant_id = $1 and conversation_id = $3::uuid${within}
          order by processed, id limit $2::int + 1) m
    cross join lateral (
      select ${people('from')}, ${people('to')}, ${people('cc')} from ${schema}.message_recipients p
      where p.tenant_id = $1 and p.message_id = m.id) people
    order by m.processed, m.id`;
  return {
    ...{ name: 'messages', order: 'ascending', time: 'processed', behind, limit },
    values: [conversationId],
    select,
  };
}
