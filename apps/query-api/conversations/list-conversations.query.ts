import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import { pageOf, placeOfCursor, type Place } from '../reading/cursor';
import { isoTime, jsonObject, placeOf } from '../reading/row-json';
import { Reads, type Reader } from '../reading/reads';
import type { Representation } from '../reading/representation';
import type { Listing } from '../reading/listing';

/** Those a list can be asked for. A merged conversation is another name of one that is listed already. */
export const listedStatuses = ['open', 'pending', 'resolved', 'spam', 'trash'] as const;
export type ListedStatus = (typeof listedStatuses)[number];

export interface ConversationFilter {
  readonly mailboxId: string | null;
  /** `none`: nobody's. */
  readonly assigneeId: string | null;
  readonly statuses: readonly ListedStatus[];
  readonly limit: number;
  readonly cursor: string | undefined;
}

const inboxListTtlMs = 30_000;

/** The inbox list, newest first. */
export class ListConversations extends Query<Representation | null> {
  constructor(
    readonly reader: Reader,
    readonly filter: ConversationFilter,
  ) {
    super();
  }
}

@QueryHandler(ListConversations)
export class ListConversationsHandler implements IQueryHandler<ListConversations> {
  constructor(private readonly reads: Reads) {}

  async execute({ reader, filter }: ListConversations): Promise<Representation | null> {
    const before = placeOfCursor(filter.cursor);
    return this.reads.answer(reader, {
      tiers: ['oltp'],
      cache: { route: 'conversations', parameters: [filter], ttlMs: inboxListTtlMs },
      load: (from) =>
        from.all('oltp', async (rows) => pageOf(await rows.page(conversationListing(filter, before)))),
    });
  }
}

const listItem = jsonObject({
  id: 'id',
  mailboxId: 'email_account_id',
  subject: 'subject',
  status: 'status',
  assigneeId: 'assigned_agent_id',
  unreadCount: 'unread_count',
  messageCount: 'message_count',
  lastFrom: 'last_from',
  preview: 'preview',
  lastMessageAt: isoTime('last_message_at'),
  createdAt: isoTime('created_at'),
  updatedAt: isoTime('updated_at'),
  revision: 'stream_revision',
});

/**
 * One ordered index scan per status, merged: `status in (…)` makes PostgreSQL read and sort all rows of both, which is
 * twice as slow (performance.md 2d). Served by conversations_by_mailbox, _by_agent or _by_activity.
 * Not prepared: a plan made for the average tenant, in which a mailbox has hardly more rows than the tenant, reads all of
 * a large tenant's inbox for a small mailbox. Preparing gained nothing that could be measured.
 */
export function conversationListing(filter: ConversationFilter, before: Place | null): Listing {
  const values: unknown[] = [];
  const bound = (value: string): string => `$${2 + values.push(value)}::uuid`;
  const conditions = ['tenant_id = $1'];
  if (filter.mailboxId !== null) {
    conditions.push(`email_account_id = ${bound(filter.mailboxId)}`);
  }
  if (filter.assigneeId === 'none') conditions.push('assigned_agent_id is null');
  else if (filter.assigneeId !== null) {
    conditions.push(`assigned_agent_id = ${bound(filter.assigneeId)}`);
  }
  const newestFirst = 'updated_at desc, id desc';
  // PostgreSQL does not see that rows of `is null` are all equal in that column, and would not use its index's order.
  const inIndexOrder = filter.assigneeId === 'none' ? `assigned_agent_id, ${newestFirst}` : newestFirst;
  const select: Listing['select'] = ({ schema, within }) => {
    const scans = filter.statuses.map(
      (status) =>
        `(select * from ${schema}.conversations where ${conditions.join(' and ')} and status = '${status}'${within}
          order by ${inIndexOrder} limit $2::int + 1)`,
    );
    return `select ${listItem} as item, ${placeOf('updated_at', 'id')} as place
            from (${scans.join(' union all ')}) merged order by ${newestFirst} limit $2::int + 1`;
  };
  const { limit } = filter;
  return { name: null, order: 'descending', time: 'updated_at', behind: before, limit, values, select };
}
