import type { Pool } from 'pg';
import { inTransaction } from '../postgres/transaction';

export interface RowsToDelete {
  /** Logs in as owner of the schema. */
  readonly owner: Pool;
  readonly schema: string;
  readonly tables: readonly string[];
  /** A condition without parameters; no lane writes such rows any more. */
  readonly where: string;
  readonly signal: AbortSignal;
  /** Awaited between transactions: to throttle or to pause. */
  readonly pace?: () => Promise<void>;
  readonly onRows?: (count: number) => void;
}

/** 16 MiB: what one transaction looks at. */
const pagesPerTransaction = 2_048;

/**
 * Deletes rows in short transactions, page by page, so that a table is read once whatever its size, and vacuums it. Killed
 * anywhere, the same call goes on. Resolves to the number of rows it has deleted. Throws the reason of an abort.
 */
export async function deleteRows(options: RowsToDelete): Promise<number> {
  const { owner, schema, tables, signal } = options;
  let rows = 0;
  for (const table of tables) {
    const name = `${schema}.${table}`;
    const pages = await pagesOf(owner, name);
    let ofTable = 0;
    for (let page = 0; page < pages; page += pagesPerTransaction) {
      await options.pace?.();
      signal.throwIfAborted();
      const deleted = await deleteFrom(options, name, page);
      options.onRows?.(deleted);
      ofTable += deleted;
    }
    if (ofTable > 0) await owner.query(`vacuum (analyze) ${name}`);
    rows += ofTable;
  }
  return rows;
}

/** Of the largest partition, where there are some: a range of pages is one of each. */
async function pagesOf(owner: Pool, table: string): Promise<number> {
  const { rows } = await owner.query<{ pages: number }>(
    `select coalesce(max(pg_relation_size(relid) / current_setting('block_size')::int), 0)::int as pages
     from (select $1::regclass as relid union select relid from pg_partition_tree($1::regclass)) parts`,
    [table],
  );
  return rows[0]?.pages ?? 0;
}

/** As a lane deletes: row-level security binds the owner of the table, too, and wants the tenants named. */
async function deleteFrom({ owner, where }: RowsToDelete, table: string, page: number): Promise<number> {
  const these = `ctid >= '(${page},0)' and ctid < '(${page + pagesPerTransaction},0)' and ${where}`;
  return inTransaction(owner, async (client) => {
    await client.query('set local role mailfold_auditor');
    const { rows } = await client.query<{ ids: string[] | null }>(
      `select array_agg(distinct tenant_id::text) as ids from ${table} where ${these}`,
    );
    const tenantIds = rows[0]?.ids ?? [];
    if (tenantIds.length === 0) return 0;
    await client.query('set local role mailfold_projector');
    await client.query(`select set_config('app.tenant_ids', $1, true)`, [`{${tenantIds.join(',')}}`]);
    const { rowCount } = await client.query(`delete from ${table} where ${these}`);
    return rowCount ?? 0;
  });
}
