import type { Pool } from 'pg';
import type { ProjectionTier } from '../../../../projections/tier';
import { tablesOf } from '../../../../projections/tiers';
import { extendHistory, hasHistory } from '../../partitions/history-partitions';
import { inTransaction } from '../../postgres/transaction';
import { onAbortCancel } from './cancel-backend';
import { isDone, unitDone } from './load-units';

export interface IndexOptions {
  readonly signal: AbortSignal;
  /** Tables worked on at once, each on a connection; default 2. */
  readonly connections?: number;
  /** Of `maintenance_work_mem`, over all connections; default 256 MiB. */
  readonly memoryMaxBytes?: number;
  /** Awaited before each piece of work: to throttle or to pause. */
  readonly pace?: () => Promise<void>;
  /** Told after each piece of work. `total` counts the definitions and the vacuum of each table. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

interface Definition {
  readonly ordinal: number;
  readonly table: string;
  readonly kind: 'key' | 'index' | 'reference' | 'trigger' | 'row security';
  readonly definition: string;
  readonly isMade: boolean;
}

/**
 * Makes again what {@link bareTables} has taken off, largest table first and of each table its key first, and vacuums: rows
 * are frozen, planner and index-only scans know the tables. What an earlier call has finished is not done again.
 * `owner` has one connection more than it works on, for an abort.
 * Throws unique_violation (23505) where two rows have one key: a projection folds one row in two slots. Throws the reason of
 * the abort, upon which a call goes on with what is missing.
 */
export async function buildIndexes(
  owner: Pool,
  schema: string,
  tier: ProjectionTier,
  options: IndexOptions,
): Promise<void> {
  // Cheapest while the partitions have no index.
  if (hasHistory(tier)) await extendHistory(owner, schema);
  const definitions = await readDefinitions(owner, schema);
  const tables = await largestFirst(owner, schema, tier);
  const work = new CountedWork(definitions.length + tables.length, options);
  const { connections = 2, memoryMaxBytes = 256 * 1024 * 1024 } = options;
  const memoryKb = Math.max(1_024, Math.floor(memoryMaxBytes / connections / 1_024));
  const make = (wanted: readonly Definition[]): Promise<void> => {
    const missing = wanted.filter(({ isMade }) => !isMade);
    return work.step(() => made(owner, schema, missing, memoryKb, options), wanted.length);
  };

  await inParallel(tables, connections, async (table) => {
    for (const definition of definitions)
      if (definition.table === table && ofRows.has(definition.kind)) await make([definition]);
    await work.step(() => vacuumed(owner, schema, table, options.signal));
  });
  for (const definition of definitions) if (definition.kind === 'reference') await make([definition]);
  await make(definitions.filter(({ kind }) => instant.has(kind)));
}

/** What the rows have to be sorted for. */
const ofRows: ReadonlySet<Definition['kind']> = new Set(['key', 'index'] as const);
/** Words in the catalogue, which take less time than a transaction for each of them would. */
const instant: ReadonlySet<Definition['kind']> = new Set(['trigger', 'row security'] as const);

class CountedWork {
  private done = 0;

  constructor(
    private readonly total: number,
    private readonly options: IndexOptions,
  ) {}

  async step(work: () => Promise<void>, pieces = 1): Promise<void> {
    const { signal, pace, onProgress } = this.options;
    await pace?.();
    signal.throwIfAborted();
    await work();
    onProgress?.({ done: (this.done += pieces), total: this.total });
  }
}

async function readDefinitions(owner: Pool, schema: string): Promise<Definition[]> {
  const { rows } = await owner.query<Definition>(
    `select ordinal, table_name as "table", kind, definition, made_at is not null as "isMade"
     from ${schema}.deferred_definitions order by ordinal`,
  );
  return rows;
}

/** By bytes on disk; a partitioned table is as large as its partitions. */
async function largestFirst(owner: Pool, schema: string, tier: ProjectionTier): Promise<string[]> {
  const { rows } = await owner.query<{ name: string }>(
    `select name from unnest($2::text[]) as name
     order by (select sum(pg_table_size(relid)) from (
       select format('%I.%I', $1::text, name)::regclass as relid
       union select relid from pg_partition_tree(format('%I.%I', $1::text, name)::regclass)) parts) desc`,
    [schema, tablesOf(tier).map(({ name }) => name)],
  );
  return rows.map(({ name }) => name);
}

/** All of them or none. */
async function made(
  owner: Pool,
  schema: string,
  definitions: readonly Definition[],
  memoryKb: number,
  { signal }: IndexOptions,
): Promise<void> {
  if (definitions.length === 0) return;
  const statements = definitions.map(({ definition }) => definition).join(';\n');
  await inTransaction(owner, async (client) => {
    await client.query(`set local maintenance_work_mem = ${memoryKb}`);
    await onAbortCancel(owner, client, signal, () => client.query(statements));
    await client.query(
      `update ${schema}.deferred_definitions set made_at = now() where ordinal = any ($1::int[])`,
      [definitions.map(({ ordinal }) => ordinal)],
    );
  });
}

/** VACUUM runs in no transaction: killed before its unit is recorded, it is run again, which costs little. */
async function vacuumed(owner: Pool, schema: string, table: string, signal: AbortSignal): Promise<void> {
  const unit = `vacuum ${table}`;
  if (await isDone(owner, schema, unit)) return;
  const client = await owner.connect();
  try {
    await onAbortCancel(owner, client, signal, () =>
      client.query(`vacuum (freeze, analyze) ${schema}.${table}`),
    );
    await unitDone(client, schema, unit);
  } finally {
    client.release();
  }
}

/** Throws the first error once all that had begun has ended. */
async function inParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  const worker = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(item);
  };
  const results = await Promise.allSettled(
    Array.from({ length: width }, () =>
      worker().catch((error: unknown) => {
        queue.length = 0;
        throw error;
      }),
    ),
  );
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
