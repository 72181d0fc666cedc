import type { Pool, PoolClient } from 'pg';
import { inTransaction } from '../postgres/transaction';

export interface TablesToCompact {
  /** Logs in as owner of the schema. */
  readonly owner: Pool;
  readonly schema: string;
  readonly tables: readonly string[];
  readonly signal: AbortSignal;
  /** Awaited between transactions: to throttle or to pause. */
  readonly pace?: () => Promise<void>;
}

/** One file: a table, or one of its partitions. */
interface TableFile {
  /** Qualified. Rows are reached through the table, whose policies and grants its partitions have not. */
  readonly table: string;
  readonly file: string;
}

/** 512 KiB: what one transaction empties, and so how many rows a lane may have to wait for. */
const pagesPerMove = 64;
/** Below this (8 MiB) there is nothing worth the trouble. */
const pagesMin = 1_024;
/**
 * How often the rows of one transaction are moved in all. A page takes new versions of its own rows until it is full, and
 * only then they go elsewhere: few rows in empty pages need many passes, full pages few.
 */
const movesMax = 20_000;
const passesMax = 500;
const roundsMax = 10;

/**
 * Gives the disk back that deleted rows have left behind, while rows are read and written. VACUUM cuts off only what is
 * free at the end of a file. So rows are moved from there into the room ahead of them, by updates that change nothing;
 * then VACUUM cuts the file, and indexes are built anew beside the old ones. Takes no lock that readers wait for but for
 * the moment of the cut, and no room but for the largest index. Killed anywhere, the same call goes on. Resolves to the
 * bytes that were given back. Throws the reason of an abort.
 */
export async function compactTables(options: TablesToCompact): Promise<number> {
  let bytes = 0;
  for (const name of options.tables) {
    const table = `${options.schema}.${name}`;
    for (const file of await filesOf(options.owner, table)) bytes += await compact(options, { table, file });
  }
  return bytes;
}

async function compact(options: TablesToCompact, { table, file }: TableFile): Promise<number> {
  const { owner } = options;
  const before = await sizeOf(owner, file);
  if (before.pages < pagesMin) return 0;
  await owner.query(`vacuum ${file}`);
  // Room that a round has not found, and what was written meanwhile, is there for the next one.
  for (let round = 1, left = before.pages + 1; round <= roundsMax; round += 1) {
    const { pages } = await sizeOf(owner, file);
    if (pages >= left) break;
    left = pages;
    await emptyEnd(options, { table, file });
    await owner.query(`vacuum (analyze) ${file}`);
  }
  const { pages } = await sizeOf(owner, file);
  if (pages < before.pages) await rebuildIndexes(options, file);
  return before.bytes - (await sizeOf(owner, file)).bytes;
}

/** From the last page on towards the first, as far as there is room ahead. */
async function emptyEnd({ owner, signal, pace }: TablesToCompact, of: TableFile): Promise<void> {
  const { pages } = await sizeOf(owner, of.file);
  for (let end = pages; end > 0; end -= pagesPerMove) {
    await pace?.();
    signal.throwIfAborted();
    if (!(await haveMovedAhead(owner, of, Math.max(0, end - pagesPerMove)))) return;
  }
}

class NoRoom extends Error {}

/** All rows from a page on, but those that a lane has in hand. False: there is no room ahead, and nothing is done. */
async function haveMovedAhead(owner: Pool, of: TableFile, start: number): Promise<boolean> {
  try {
    await inTransaction(owner, async (client) => {
      await client.query('set local role mailfold_auditor');
      await nameTenants(client, of, start);
      await client.query('set local role mailfold_projector');
      const { pages } = await sizeOf(client, of.file);
      for (let pass = 1, moves = 0; ; pass += 1) {
        const rows = await moveOnce(client, of, start);
        if (rows === 0) return;
        moves += rows;
        const hasGrown = (await sizeOf(client, of.file)).pages > pages;
        if (hasGrown || moves > movesMax || pass === passesMax) throw new NoRoom();
      }
    });
    return true;
  } catch (error) {
    if (error instanceof NoRoom) return false;
    throw error;
  }
}

/** As a lane writes: row-level security binds the owner of the table, too, and wants the tenants named. */
async function nameTenants(client: PoolClient, of: TableFile, start: number): Promise<void> {
  await client.query(
    `select set_config('app.tenant_ids', coalesce(array_agg(distinct tenant_id::text), '{}')::text, true)
     from ${of.table} where ${behind(of, start)}`,
  );
}

/**
 * A new version of each row, in its own page while that has room, else wherever there is some. Rows that a lane has in hand
 * are left to it, so that two never wait for each other. Resolves to how many rows were there.
 */
async function moveOnce(client: PoolClient, of: TableFile, start: number): Promise<number> {
  const { rowCount } = await client.query(
    `update ${of.table} set log_position = log_position
     where tableoid = '${of.file}'::regclass and ctid = any (array(
       select ctid from ${of.table} where ${behind(of, start)} for no key update skip locked))`,
  );
  return rowCount ?? 0;
}

function behind({ file }: TableFile, page: number): string {
  return `tableoid = '${file}'::regclass and ctid >= '(${page},0)'`;
}

/** One at a time, smallest first. What a kill has left half made is dropped. */
async function rebuildIndexes({ owner, signal }: TablesToCompact, file: string): Promise<void> {
  const { rows } = await owner.query<{ name: string; isWhole: boolean }>(
    `select indexrelid::regclass::text as name, indisvalid as "isWhole"
     from pg_index where indrelid = $1::regclass order by indisvalid, pg_relation_size(indexrelid)`,
    [file],
  );
  for (const { name, isWhole } of rows) {
    signal.throwIfAborted();
    await owner.query(`${isWhole ? 'reindex' : 'drop'} index concurrently ${name}`);
  }
}

async function filesOf(owner: Pool, table: string): Promise<string[]> {
  const { rows } = await owner.query<{ file: string }>(
    `select format('%I.%I', n.nspname, c.relname) as file
     from (select $1::regclass as relid union select relid from pg_partition_tree($1::regclass)) parts
     join pg_class c on c.oid = parts.relid join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' order by 1`,
    [table],
  );
  return rows.map(({ file }) => file);
}

/** `bytes`: with indexes. */
async function sizeOf(db: Pool | PoolClient, file: string): Promise<{ pages: number; bytes: number }> {
  const { rows } = await db.query<{ pages: number; bytes: string }>(
    `select (pg_relation_size($1::regclass) / current_setting('block_size')::int)::int as pages,
            pg_total_relation_size($1::regclass) as bytes`,
    [file],
  );
  return { pages: rows[0]?.pages ?? 0, bytes: Number(rows[0]?.bytes ?? 0) };
}
