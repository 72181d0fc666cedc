import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseError, type Pool } from 'pg';
import type { AnyTable } from '../../../projections/projection';
import type { ProjectionTier } from '../../../projections/tier';
import { tablesOf } from '../../../projections/tiers';

/** How much time one partition of a history holds. Weeks begin on Monday. */
export type HistoryPeriod = 'month' | 'week';

/** Whether the tier has tables that are partitioned by time. */
export function hasHistory(tier: ProjectionTier): boolean {
  return tablesOf(tier).some(({ partitionedBy }) => partitionedBy !== undefined);
}

/**
 * Gives the history tables of a schema other periods, as a re-partition does. `owner` logs in as its owner.
 * Throws when one of them holds rows already: another generation is made for that.
 */
export async function setHistoryPeriod(owner: Pool, schema: string, period: HistoryPeriod): Promise<void> {
  const client = await owner.connect();
  try {
    await client.query(`call ${schema}.set_history_period($1)`, [period]);
  } finally {
    client.release();
  }
  await extendHistory(owner, schema);
}

/** The period that the history tables of a schema have; `null` where there are none. */
export async function historyPeriodOf(pool: Pool, schema: string): Promise<HistoryPeriod | null> {
  const { rows } = await pool.query<{ period: HistoryPeriod }>(
    `select distinct period from ${schema}.history_partitions`,
  );
  return rows[0]?.period ?? null;
}

/**
 * Makes the partitions that rows of these days (YYYY-MM-DD) belong in, as far as the days are plausible; other rows go to
 * the DEFAULT partition. For a load, before the transaction that writes the rows: as each partition is durable at once,
 * writers of other rows do not wait. `pool` has role mailfold_projector, or logs in as the owner.
 */
export async function makeHistoryPartitions(
  pool: Pool,
  schema: string,
  { name }: AnyTable,
  days: Iterable<string>,
): Promise<void> {
  const { rows } = await pool.query<{ start: string }>(
    `select distinct ${schema}.history_period_start(day, h.period)::text as start
     from unnest($1::date[]) as day, ${schema}.history_partitions h where h.table_name = $2 order by 1`,
    [[...new Set(days)], name],
  );
  for (const { start } of rows) await made(pool, schema, name, start);
}

/**
 * Makes every partition that is missing, three months ahead, and moves the rows that lie in the DEFAULT partition into
 * them; each in a transaction of its own, so that readers and lanes wait milliseconds. Repeatable, by several processes at
 * once. Resolves to the names of those made. A table that a long transaction uses is left for the next time.
 */
export async function extendHistory(pool: Pool, schema: string): Promise<string[]> {
  const { rows } = await pool.query<{ name: string; start: string }>(
    `select table_name as name, start::text from ${schema}.missing_history_partitions()`,
  );
  const names: string[] = [];
  for (const { name, start } of rows) {
    const partition = await made(pool, schema, name, start);
    if (partition !== null) names.push(partition);
  }
  return names;
}

/** `lock_not_available`: somebody uses the table. The lock waits 50 ms, since readers wait behind it. */
const lockNotAvailable = '55P03';
const lockTriesMax = 20;
const pauseMaxMs = 100;

/** Null when it is there already, nobody can have meant it, or the table is in use all the time. */
async function made(pool: Pool, schema: string, name: string, start: string): Promise<string | null> {
  for (let tries = 1; tries <= lockTriesMax; tries += 1) {
    try {
      const { rows } = await pool.query<{ name: string | null }>(
        `select ${schema}.make_history_partition($1, $2::date) as name`,
        [name, start],
      );
      return rows[0]?.name ?? null;
    } catch (error) {
      if (!(error instanceof DatabaseError) || error.code !== lockNotAvailable) throw error;
      await delay(Math.random() * pauseMaxMs);
    }
  }
  return null;
}

/** Rows in DEFAULT partitions, 1,000 per table at most. Above 0 after a maintenance: days nobody can have meant. */
export async function strayHistoryRows(pool: Pool, schema: string): Promise<number> {
  const { rows } = await pool.query<{ strays: number }>(`select ${schema}.stray_history_rows() as strays`);
  return rows[0]?.strays ?? 0;
}
