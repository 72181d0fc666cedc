import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import { Reads, type Reader } from '../reading/reads';
import { Representation } from '../reading/representation';
import type { PartRows } from '../reading/tenant-rows';

const dayMs = 86_400_000;

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
    return this.reads.answer(reader, {
      tiers: ['olap'],
      load: async (from) => {
        const found = await from.all('olap', (rows) => rows.each((part) => daysOf(part, range)));
        return new Representation(JSON.stringify({ items: dailyAnalytics(range, found) }));
      },
    });
  }
}

/** `day` and the figures, which PostgreSQL sends as text. */
type Day = Readonly<Record<'day' | keyof typeof figures, string>>;

/** Days without a row are absent. */
function daysOf({ schema, tenantId, served, query }: PartRows, range: DayRange): Promise<Day[]> {
  const { from, to, mailboxId } = range;
  return query<Day>(
    mailboxId === null ? 'daily' : 'daily-mailbox',
    dailyRows(schema, { ofMailbox: mailboxId !== null, served: served() }),
    [tenantId, from, to, ...(mailboxId === null ? [] : [mailboxId])],
  );
}

/**
 * Parameters: the tenant, the first and the last day, the mailbox. Served by the primary keys, which begin with tenant and
 * day, of the history partitions that hold these days.
 */
export function dailyRows(
  schema: string,
  { ofMailbox, served }: { ofMailbox: boolean; served: string },
): string {
  const sums = Object.entries(figures).map(([field, column]) => `sum(${column}) as "${field}"`);
  return `select to_char(day, 'YYYY-MM-DD') as day, ${sums.join(', ')}
     from ${schema}.daily_analytics
     where tenant_id = $1 and day between $2::date and $3::date${served}
       ${ofMailbox ? 'and email_account_id = $4::uuid' : ''}
     group by daily_analytics.day`;
}

function dailyAnalytics({ from, to }: DayRange, found: readonly Day[]): Record<string, unknown>[] {
  const days = new Map<string, Record<string, number>>();
  for (let at = Date.parse(from); at <= Date.parse(to); at += dayMs)
    days.set(new Date(at).toISOString().slice(0, 'YYYY-MM-DD'.length), noFigures());
  for (const { day, ...its } of found) {
    const sums = days.get(day) ?? {};
    for (const [name, figure] of Object.entries(its)) sums[name] = (sums[name] ?? 0) + Number(figure);
  }
  return [...days].map(([day, sums]) => ({ day, ...sums }));
}

function noFigures(): Record<string, number> {
  return Object.fromEntries(dailyFigures.map((name) => [name, 0]));
}
