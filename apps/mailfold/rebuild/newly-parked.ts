import type { Pool } from 'pg';

/**
 * How many events up to `position` are parked in `next` and not in `live`: a count of each would not do, since as many
 * others may have been released. Both are schemas of the pool's database; the pool has role mailfold_auditor.
 */
export async function newlyParked(
  pool: Pool,
  schemas: { readonly live: string; readonly next: string },
  position: string | null,
): Promise<number> {
  const parkedIn = (schema: string): string =>
    `select tenant_id, sequence_id, event_id from ${schema}.parked_sequences
     where $1::numeric is null or position <= $1::numeric`;
  const { rows } = await pool.query<{ events: number }>(
    `select count(*)::int as events from (${parkedIn(schemas.next)} except ${parkedIn(schemas.live)}) newly`,
    [position],
  );
  return rows[0]?.events ?? 0;
}
