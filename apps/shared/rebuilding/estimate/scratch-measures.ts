import { tablesOf } from '../../../../projections/tiers';
import type { OpenTarget } from '../target-pools';

/** Rows and bytes of one table over the targets of its tier. */
export interface TableMeasure {
  readonly rows: number;
  /** With its indexes and what is stored out of line. */
  readonly bytes: number;
}

/** By table. To be asked once the indexes are there. */
export async function measureTables(targets: readonly OpenTarget[]): Promise<Map<string, TableMeasure>> {
  const sums = new Map<string, TableMeasure>();
  for (const { pool, schema, tier } of targets) {
    const { rows } = await pool.query<{ name: string; rows: number; bytes: number }>(
      `select name, (select sum(pg_total_relation_size(relid)) from (
           select format('%I.%I', $1::text, name)::regclass as relid
           union select relid from pg_partition_tree(format('%I.%I', $1::text, name)::regclass)) parts)::float8 as bytes,
         coalesce((select sum((rows ->> name)::bigint) from ${schema}.load_units), 0)::float8 as rows
       from unnest($2::text[]) as name`,
      [schema, tablesOf(tier).map(({ name }) => name)],
    );
    for (const { name, rows: count, bytes } of rows) {
      const before = sums.get(name) ?? { rows: 0, bytes: 0 };
      sums.set(name, { rows: before.rows + count, bytes: before.bytes + bytes });
    }
  }
  return sums;
}

/** How unevenly rows are spread. */
export interface Skew {
  /** Tenants with most rows, largest first. */
  readonly tenants: readonly { readonly tenantId: string; readonly share: number }[];
  /** Slots with most rows, largest first; an even share is 1/4096. */
  readonly slots: readonly { readonly slot: number; readonly share: number }[];
}

const shownMax = 5;

/** Over all tables of the targets. To be asked while they are bare: protected rows are hidden even from their owner. */
export async function measureSkew(targets: readonly OpenTarget[]): Promise<Skew> {
  const tenants = new Map<string, number>();
  const slots = new Map<number, number>();
  let total = 0;
  for (const { pool, schema, tier } of targets)
    for (const { name } of tablesOf(tier)) {
      const { rows } = await pool.query<{ tenant: string; slot: number; rows: number }>(
        `select tenant_id as tenant, slot, count(*)::int as rows from ${schema}.${name} group by tenant_id, slot`,
      );
      for (const { tenant, slot, rows: count } of rows) {
        tenants.set(tenant, (tenants.get(tenant) ?? 0) + count);
        slots.set(slot, (slots.get(slot) ?? 0) + count);
        total += count;
      }
    }
  return {
    tenants: largest(tenants, total).map(([tenantId, share]) => ({ tenantId, share })),
    slots: largest(slots, total).map(([slot, share]) => ({ slot, share })),
  };
}

function largest<Key>(counts: ReadonlyMap<Key, number>, total: number): [Key, number][] {
  return [...counts]
    .sort(([, one], [, other]) => other - one)
    .slice(0, shownMax)
    .map(([key, count]) => [key, count / total]);
}
