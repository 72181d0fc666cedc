import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import { pageOf, placeOfCursor } from '../reading/cursor';
import { isoTime, jsonObject, jsonPage, placeOf, type JsonPage } from '../reading/row-json';
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
    const { table, item } = directories[directory];
    return this.reads.answer(reader, {
      tiers: ['oltp'],
      load: (from) =>
        from('oltp', async ({ schema, tenantId, query }) => {
          const [page] = await query<JsonPage>(
            behind === null ? directory : `${directory}-on`,
            jsonPage(
              `select ${item} as item, ${placeOf('created', 'id')} as place
               from ${schema}.${table}
               where tenant_id = $1 ${behind === null ? '' : 'and (created, id) > ($3::timestamptz, $4::uuid)'}
               order by created, id limit $2::int + 1`,
              '$2::int',
            ),
            [tenantId, limit, ...(behind === null ? [] : [behind.time, behind.id])],
          );
          return pageOf(page);
        }),
    });
  }
}
