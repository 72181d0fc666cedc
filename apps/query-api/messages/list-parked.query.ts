import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import { pageOf, placeOfCursor, type Place } from '../reading/cursor';
import type { Listing } from '../reading/listing';
import { isoTime, jsonObject, placeOf } from '../reading/row-json';
import { Reads, type Reader } from '../reading/reads';
import type { Representation } from '../reading/representation';
import type { PartRows } from '../reading/tenant-rows';

/** Mails that could not be read as mail, latest first, each with the reason. Their bytes are whole under /raw. */
export class ListParked extends Query<Representation | null> {
  constructor(
    readonly reader: Reader,
    readonly limit: number,
    readonly cursor: string | undefined,
  ) {
    super();
  }
}

interface ParkedItem {
  readonly id: string;
  readonly [field: string]: unknown;
}

@QueryHandler(ListParked)
export class ListParkedHandler implements IQueryHandler<ListParked> {
  constructor(private readonly reads: Reads) {}

  async execute({ reader, limit, cursor }: ListParked): Promise<Representation | null> {
    const before = placeOfCursor(cursor);
    return this.reads.answer(reader, {
      tiers: ['oltp', 'content'],
      load: async (from) => {
        const page = await from.all('oltp', (rows) => rows.page(parkedMessages(limit, before)));
        const items = JSON.parse(page.items) as ParkedItem[];
        // The reason lies with the bytes, in the tier the parser writes.
        const ids = items.map(({ id }) => id);
        const reasons = await from.all('content', (rows) => rows.each((part) => reasonsIn(part, ids)));
        const reasonOf = new Map(reasons.map((row) => [row.id, row]));
        const joined = items.map((item) => {
          const { reason = null, rawSizeBytes = null } = reasonOf.get(item.id) ?? {};
          return { ...item, reason, rawSizeBytes };
        });
        return pageOf({ ...page, items: JSON.stringify(joined) });
      },
    });
  }
}

/** Served by inbox_message_refs_parked. */
function parkedMessages(limit: number, before: Place | null): Listing {
  const item = jsonObject({
    id: 'id',
    mailboxId: 'email_account_id',
    receivedAt: isoTime('processed'),
    rawUrl: `'/v1/messages/' || id || '/raw'`,
  });
  const select: Listing['select'] = ({ schema, within }) => `
    select ${item} as item, ${placeOf('processed', 'id')} as place
    from ${schema}.inbox_message_refs
    where tenant_id = $1 and status = 'parked'${within}
    order by processed desc, id desc limit $2::int + 1`;
  const name = 'parked';
  return { name, order: 'descending', time: 'processed', behind: before, limit, values: [], select };
}

interface Reason {
  readonly id: string;
  readonly reason: string | null;
  readonly rawSizeBytes: number;
}

/** Served by content_objects_by_message. */
function reasonsIn({ schema, tenantId, served, query }: PartRows, messageIds: string[]): Promise<Reason[]> {
  return query<Reason & Record<string, unknown>>(
    'parked-reasons',
    `select message_id as id, parked_reason as reason, raw_size_bytes as "rawSizeBytes"
     from ${schema}.content_objects where tenant_id = $1 and message_id = any ($2::uuid[])${served()}`,
    [tenantId, messageIds],
  );
}
