import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import { pageOf, placeOfCursor, type Place } from '../reading/cursor';
import type { Listing } from '../reading/listing';
import { isoTime, jsonObject, placeOf } from '../reading/row-json';
import { Reads, type Reader } from '../reading/reads';
import type { Representation } from '../reading/representation';

const users = {
  table: 'users',
  item: jsonObject({
    id: 'id',
    name: 'name',
    email: 'email',
    role: 'role',
    status: 'status',
    createdAt: isoTime('created'),
    updatedAt: isoTime('updated'),
  }),
};
const mailboxes = {
  table: 'mailboxes',
  item: jsonObject({
    id: 'id',
    name: 'name',
    address: 'address',
    threadingPolicy: 'threading_policy',
    createdAt: isoTime('created'),
    updatedAt: isoTime('updated'),
  }),
};
const directories = { users, mailboxes };
export type Directory = keyof typeof directories;

/** The users or the mailboxes of a tenant, in the order in which they were created. */
export class ListDirectory extends Query<Representation | null> {
  constructor(
    readonly reader: Reader,
    readonly directory: Directory,
    readonly limit: number,
    readonly cursor: string | undefined,
  ) {
    super();
  }
}

@QueryHandler(ListDirectory)
export class ListDirectoryHandler implements IQueryHandler<ListDirectory> {
  constructor(private readonly reads: Reads) {}

  async execute({ reader, directory, limit, cursor }: ListDirectory): Promise<Representation | null> {
    const behind = placeOfCursor(cursor);
    return this.reads.answer(reader, {
      tiers: ['oltp'],
      load: (from) =>
        from.all('oltp', async (rows) => pageOf(await rows.page(listing(directory, limit, behind)))),
    });
  }
}

function listing(directory: Directory, limit: number, behind: Place | null): Listing {
  const { table, item } = directories[directory];
  const select: Listing['select'] = ({ schema, within }) => `
    select ${item} as item, ${placeOf('created', 'id')} as place
    from ${schema}.${table}
    where tenant_id = $1${within}
    order by created, id limit $2::int + 1`;
  return { name: directory, order: 'ascending', time: 'created', behind, limit, values: [], select };
}
