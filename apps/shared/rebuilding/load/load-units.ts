import type { ClientBase, Pool } from 'pg';

/** Rows written by table; of a unit, of a target or of a whole load. */
export type RowCounts = Readonly<Record<string, number>>;

/** Whether the unit's transaction has been committed, be it by a run that was killed afterwards. */
export async function isDone(db: Pool | ClientBase, schema: string, unit: string): Promise<boolean> {
  const { rowCount } = await db.query(`select 1 from ${schema}.load_units where unit = $1`, [unit]);
  return rowCount === 1;
}

/**
 * Records a unit in the transaction of its rows. Throws unique_violation (23505) when another one has done it meanwhile,
 * upon which these rows are rolled back.
 */
export async function unitDone(
  client: ClientBase,
  schema: string,
  unit: string,
  rows: RowCounts = {},
): Promise<void> {
  await client.query(`insert into ${schema}.load_units (unit, rows) values ($1, $2)`, [unit, rows]);
}

/** What all units of a target have written, by table. */
export async function loadedRows(db: Pool | ClientBase, schema: string): Promise<RowCounts> {
  const { rows } = await db.query<{ table: string; rows: number }>(
    `select key as table, sum(value::bigint)::float8 as rows
     from ${schema}.load_units cross join jsonb_each_text(rows) group by key order by key`,
  );
  return Object.fromEntries(rows.map(({ table, rows: count }) => [table, count]));
}
