import type { Pool } from 'pg';

/** The database would lose acknowledged commits or show one tenant the rows of another. Not transient: refuse to serve. */
export class UnsafeDatabase extends Error {
  override readonly name = 'UnsafeDatabase';

  constructor(readonly faults: readonly string[]) {
    super(`Unsafe database: ${faults.join('; ')}`);
  }
}

/** Which tables hold rows of tenants is asked of the catalogue, so that no list of them can be forgotten. */
const unprotectedTables = `
  select c.relname as name
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
  where n.nspname = any ($1) and c.relkind in ('r', 'p') and not (c.relrowsecurity and c.relforcerowsecurity)
  order by 1`;

const roleAndDurability = `
  select current_user as role, rolsuper as superuser, rolbypassrls as "bypassesRls",
         current_setting('synchronous_commit') as "synchronousCommit", current_setting('fsync') as fsync
  from pg_roles where rolname = current_user`;

/**
 * Run at start-up by every process that serves or writes tenant rows, with the pool it will use.
 * Throws {@link UnsafeDatabase} naming every fault (reliability.md B2, finding 3).
 */
export async function assertSafe(pool: Pool, schemas: readonly string[]): Promise<void> {
  const session = await pool.query<{
    role: string;
    superuser: boolean;
    bypassesRls: boolean;
    synchronousCommit: string;
    fsync: string;
  }>(roleAndDurability);
  const tables = await pool.query<{ name: string }>(unprotectedTables, [schemas]);
  const faults = session.rows.flatMap((row) => [
    ...(row.superuser ? [`role ${row.role} is a superuser, whom no policy binds`] : []),
    ...(row.bypassesRls ? [`role ${row.role} bypasses row-level security`] : []),
    ...(row.synchronousCommit === 'off' ? ['synchronous_commit is off'] : []),
    ...(row.fsync === 'off' ? ['fsync is off'] : []),
  ]);
  faults.push(...tables.rows.map(({ name }) => `table ${name} lacks forced row-level security`));
  if (faults.length > 0) throw new UnsafeDatabase(faults);
}
