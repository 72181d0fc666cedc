import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import { jsonObject } from '../reading/row-json';
import { Reads, type Reader } from '../reading/reads';
import { Representation } from '../reading/representation';

export interface DayRange {
  /** YYYY-MM-DD, UTC days, both inclusive. */
  readonly from: string;
  readonly to: string;
  readonly mailboxId: string | null;
}

/** One entry per day of the range, also for days on which nothing happened, over all mailboxes or of one. */
export class GetDailyAnalytics extends Query<Representation | null> {
  constructor(
    readonly reader: Reader,
    readonly range: DayRange,
  ) {
    super();
  }
}

const figures = {
  messagesReceived: 'messages_received',
  messagesSent: 'messages_sent',
  bouncesReceived: 'bounces_received',
  autoRepliesReceived: 'auto_replies_received',
  messagesParked: 'messages_parked',
  bytesReceived: 'bytes_received',
  conversationsOpened: 'conversations_opened',
  conversationsResolved: 'conversations_resolved',
  conversationsMerged: 'conversations_merged',
  notesAdded: 'notes_added',
  assignments: 'assignments',
} as const;

export const dailyFigures = Object.keys(figures) as readonly (keyof typeof figures)[];

@QueryHandler(GetDailyAnalytics)
export class GetDailyAnalyticsHandler implements IQueryHandler<GetDailyAnalytics> {
  constructor(private readonly reads: Reads) {}

  async execute({ reader, range }: GetDailyAnalytics): Promise<Representation | null> {
    const { from: firstDay, to: lastDay, mailboxId } = range;
    return this.reads.answer(reader, {
      tiers: ['olap'],
      load: (from) =>
        from('olap', async ({ schema, tenantId, query }) => {
          const [row] = await query<{ items: string }>(
            mailboxId === null ? 'daily' : 'daily-mailbox',
            dailyAnalytics(schema, mailboxId !== null),
            [tenantId, firstDay, lastDay, ...(mailboxId === null ? [] : [mailboxId])],
          );
          return new Representation(`{"items":${row?.items ?? '[]'}}`);
        }),
    });
  }
}

/** Served by the primary key, which begins with tenant and day. */
function dailyAnalytics(schema: string, ofMailbox: boolean): string {
  const sums = Object.fromEntries(
    Object.entries(figures).map(([field, column]) => [field, `coalesce(sum(a.${column}), 0)::bigint`]),
  );
  return `
    select coalesce(json_agg(item order by day), '[]')::text as items
    from (select d.day, ${jsonObject({ day: `to_char(d.day, 'YYYY-MM-DD')`, ...sums })} as item
          from (select generate_series($2::date, $3::date, interval '1 day')::date as day) d
          left join ${schema}.daily_analytics a
            on a.tenant_id = $1 and a.day = d.day ${ofMailbox ? 'and a.email_account_id = $4::uuid' : ''}
             and a.day between $2::date and $3::date
          group by d.day) days`;
}
