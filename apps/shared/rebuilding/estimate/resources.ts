import { existsSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Pool } from 'pg';

/** What a database server has left. */
export interface ServerRoom {
  /** The same for all databases of one server. */
  readonly server: string;
  /** Of the file system its data lie on; null where it is another machine's, or not ours to ask. */
  readonly diskFreeBytes: number | null;
  readonly connectionsFree: number;
  /** What the log of changes may take besides the rows. */
  readonly walMaxBytes: number;
}

export async function roomOf(pool: Pool): Promise<ServerRoom> {
  const { rows } = await pool.query<Omit<ServerRoom, 'diskFreeBytes'>>(
    `select current_setting('port') || ' since ' || pg_postmaster_start_time() as server,
            (current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
              - (select count(*) from pg_stat_activity where backend_type = 'client backend'))::int as "connectionsFree",
            pg_size_bytes(current_setting('max_wal_size'))::float8 as "walMaxBytes"`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error('The database does not say what it has left');
  return { ...row, diskFreeBytes: await diskFree(pool) };
}

async function diskFree(pool: Pool): Promise<number | null> {
  // Only superusers and members of pg_read_all_settings may know the folder.
  const folder = await pool
    .query<{ folder: string }>(`select current_setting('data_directory') as folder`)
    .then(({ rows }) => rows[0]?.folder ?? null)
    .catch(() => null);
  if (folder === null || !existsSync(join(folder, 'PG_VERSION'))) return null;
  return freeBytes(folder);
}

/** Of the file system of an existing folder, for whoever is no superuser. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
