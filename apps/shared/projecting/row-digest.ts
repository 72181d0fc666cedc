import type { ClientBase, Pool } from 'pg';
import type { AnyTable } from '../../../projections/projection';
import { tablesOf } from '../../../projections/tiers';
import type { ProjectionTier } from '../../../projections/tier';
import { inTransaction } from '../postgres/transaction';

/** A generation where it can be read. The pool has role mailfold_auditor, or its policies hide the rows. */
export interface DigestedGeneration {
  readonly pool: Pool;
  readonly schema: string;
}

/**
 * Sums over rows do not depend on their order and add up over shards (rebuild.md G2). Two independent hashes, since one
 * sum can agree by chance.
 */
export interface TableDigest {
  readonly table: string;
  readonly rows: number;
  readonly digest: string;
}

export interface GenerationDigest {
  /** Of each lane, in their order; null before its first commit. */
  readonly positions: readonly (string | null)[];
  /** Lowest of them. */
  readonly position: string | null;
  readonly parkedEvents: number;
  readonly tables: readonly TableDigest[];
}

export interface GenerationComparison {
  /** Both had read the log exactly as far: only then does a difference mean anything. */
  readonly isSamePosition: boolean;
  readonly isEqual: boolean;
  readonly position: string | null;
  readonly tables: readonly {
    readonly table: string;
    readonly left: TableDigest;
    readonly right: TableDigest;
    readonly isEqual: boolean;
  }[];
  readonly parkedEvents: { readonly left: number; readonly right: number };
}

/** What all tables of a generation hold, at one instant and at the position of that instant. */
export async function digestGeneration(
  tier: ProjectionTier,
  { pool, schema }: DigestedGeneration,
): Promise<GenerationDigest> {
  return inTransaction(
    pool,
    async (client) => {
      const tables: TableDigest[] = [];
      for (const table of tablesOf(tier)) tables.push(await digestTable(client, schema, table));
      return { ...(await progress(client, schema)), tables };
    },
    // One snapshot, so that no commit falls between a table and the checkpoint.
    { isolation: 'repeatable read', readOnly: true },
  );
}

export async function compareGenerations(
  tier: ProjectionTier,
  left: DigestedGeneration,
  right: DigestedGeneration,
): Promise<GenerationComparison> {
  const [ours, theirs] = await Promise.all([digestGeneration(tier, left), digestGeneration(tier, right)]);
  const tables = ours.tables.map((digest, index) => {
    const other = theirs.tables[index] ?? { table: digest.table, rows: 0, digest: '' };
    const isEqual = digest.rows === other.rows && digest.digest === other.digest;
    return { table: digest.table, left: digest, right: other, isEqual };
  });
  const standsAt = ({ positions }: GenerationDigest): Set<string | null> => new Set(positions);
  const everywhere = new Set([...standsAt(ours), ...standsAt(theirs)]);
  return {
    isSamePosition: everywhere.size === 1,
    isEqual: tables.every((table) => table.isEqual),
    position: ours.position,
    tables,
    parkedEvents: { left: ours.parkedEvents, right: theirs.parkedEvents },
  };
}

/**
 * Primary keys (tenant first) of rows that differ or are in one generation only, at most `limit`, narrowed down by slot so
 * that two large tables need not be read side by side.
 */
export async function differingKeys(
  table: AnyTable,
  left: DigestedGeneration,
  right: DigestedGeneration,
  limit: number,
): Promise<string[]> {
  const [ours, theirs] = await Promise.all([slotDigests(table, left), slotDigests(table, right)]);
  const slots = [...new Set([...ours.keys(), ...theirs.keys()])].filter(
    (slot) => ours.get(slot) !== theirs.get(slot),
  );
  const differing: string[] = [];
  for (const slot of slots.sort((one, other) => Number(one) - Number(other))) {
    const [rows, others] = await Promise.all([rowHashes(table, left, slot), rowHashes(table, right, slot)]);
    for (const key of new Set([...rows.keys(), ...others.keys()])) {
      if (rows.get(key) !== others.get(key)) differing.push(key);
      if (differing.length === limit) return differing;
    }
  }
  return differing;
}

async function digestTable(client: ClientBase, schema: string, table: AnyTable): Promise<TableDigest> {
  const { rows } = await client.query<{ rows: string; digest: string }>(
    `select count(*) as rows, ${sums} as digest from (select ${rowText(table)} as r from ${schema}.${table.name} t) x`,
  );
  const [row] = rows;
  return { table: table.name, rows: Number(row?.rows ?? 0), digest: row?.digest ?? '' };
}

async function progress(client: ClientBase, schema: string): Promise<Omit<GenerationDigest, 'tables'>> {
  const lanes = await client.query<{ position: string | null }>(
    `select commit_position::text as position from ${schema}.checkpoints order by lane`,
  );
  const parked = await client.query<{ events: number }>(
    `select count(*)::int as events from ${schema}.parked_sequences`,
  );
  const positions = lanes.rows.map(({ position }) => position);
  const reached = positions.flatMap((position) => (position === null ? [] : [BigInt(position)]));
  const lowest = reached.reduce((low, position) => (position < low ? position : low), reached[0] ?? 0n);
  return {
    positions,
    position: reached.length === positions.length && reached.length > 0 ? lowest.toString() : null,
    parkedEvents: parked.rows[0]?.events ?? 0,
  };
}

async function slotDigests(
  table: AnyTable,
  { pool, schema }: DigestedGeneration,
): Promise<Map<string, string>> {
  const { rows } = await pool.query<{ slot: string; digest: string }>(
    `select slot::text, ${sums} as digest
     from (select t.slot, ${rowText(table)} as r from ${schema}.${table.name} t) x group by slot`,
  );
  return new Map(rows.map(({ slot, digest }) => [slot, digest]));
}

async function rowHashes(
  table: AnyTable,
  { pool, schema }: DigestedGeneration,
  slot: string,
): Promise<Map<string, string>> {
  const key = ['tenant_id', ...table.primaryKey].map((name) => `t.${name}::text`).join(` || ' ' || `);
  const { rows } = await pool.query<{ key: string; hash: string }>(
    `select ${key} as key, md5(${rowText(table)}) as hash from ${schema}.${table.name} t where slot = $1 order by 1`,
    [slot],
  );
  return new Map(rows.map((row) => [row.key, row.hash]));
}

const sums = `coalesce(sum(hashtextextended(r, 0)::numeric), 0)::text || ':' || coalesce(sum(hashtextextended(r, 1)::numeric), 0)::text`;

/** Columns by name, so that their order in the table, which a migration may change, does not matter. */
function rowText({ columns }: AnyTable): string {
  const names = ['tenant_id', 'slot', 'log_position', ...Object.keys(columns).sort()];
  return `row(${names.map((name) => `t."${name}"`).join(', ')})::text`;
}
