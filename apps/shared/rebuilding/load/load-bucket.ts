import type { Pool, PoolClient } from 'pg';
import type { ProjectionTier } from '../../../../projections/tier';
import { tablesOf } from '../../../../projections/tiers';
import type { SlotRange } from '../../generations/coverage';
import { isPoison } from '../../projecting/row-writer';
import { makeHistoryPartitions } from '../../partitions/history-partitions';
import { inTransaction } from '../../postgres/transaction';
import type { Bucket, Poison } from '../contracts';
import { BucketFold } from './bucket-fold';
import type { BucketLoaded, BucketToLoad, TargetConnection } from './bucket-to-load';
import { copyRows } from './copy-rows';
import { isDone, unitDone, type RowCounts } from './load-units';
import { NotEncodable } from './row-encoder';
import { upsertBucket } from './upsert-bucket';

/** Names the unit of a bucket in the targets it belongs to. */
function unitOf({ slots }: Bucket): string {
  return `bucket ${slots.from}-${slots.to}`;
}

/**
 * Folds a bucket in memory and copies its rows into each target, in one transaction per target with the bucket's unit: killed
 * anywhere, the same call goes on. A bucket that would hold too much is folded by halves of its slots.
 * A value that PostgreSQL refuses is met where a row still has it at the end, as a lane meets it at the end of a batch.
 */
export async function loadBucket(options: BucketToLoad): Promise<BucketLoaded> {
  const { bucket, targets } = options;
  const done = await Promise.all(targets.map(({ pool, schema }) => isDone(pool, schema, unitOf(bucket))));
  const missing = targets.filter((_, index) => done[index] !== true);
  if (missing.length === 0) return { rows: {}, poison: [] };
  try {
    return await copyBucket({ ...options, targets: missing });
  } catch (error) {
    if (error instanceof PoisonFound) return { rows: {}, poison: error.poison };
    if (!(error instanceof NotEncodable || isPoison(error))) throw error;
    // Some row is refused. Which event is to blame, if any, is for the lanes' own way of writing to say.
    return upsertBucket({ ...options, targets: missing, unit: unitOf(bucket) });
  }
}

class PoisonFound extends Error {
  constructor(readonly poison: readonly Poison[]) {
    super('The rows have shown poison');
  }
}

async function copyBucket(options: BucketToLoad): Promise<BucketLoaded> {
  const parts = foldedParts(options, options.bucket.slots);
  // Folded before the transactions begin: they are to be short.
  let part = await parts.next();
  if (part.done !== true) await makePartitions(options.targets, part.value);
  const rows: Record<string, number> = {};
  await inEveryTransaction(options.targets, [], async (clients) => {
    const written = clients.map((): Record<string, number> => ({}));
    while (part.done !== true) {
      for (const [index, target] of options.targets.entries())
        await copyPart(clients[index]!, target, part.value, written[index]!);
      part = await parts.next();
    }
    for (const [index, { schema }] of options.targets.entries()) {
      await unitDone(clients[index]!, schema, unitOf(options.bucket), written[index]);
      addCounts(rows, written[index]!);
    }
  });
  return { rows, poison: [] };
}

/** Folds all slots, or each half of them, or each quarter…: as much at once as memory allows. Throws {@link PoisonFound}. */
async function* foldedParts(options: BucketToLoad, slots: SlotRange): AsyncGenerator<BucketFold> {
  const { tier, targets, stopped, events, memoryMaxBytes, onBlock } = options;
  const fold = new BucketFold({ tier, slots, stopped, coverages: targets.map(({ coverage }) => coverage) });
  const canDivide = slots.from < slots.to;
  for (const block of events()) {
    for (const event of block) fold.add(event);
    await onBlock?.(block.length);
    if (!canDivide || fold.bytes <= memoryMaxBytes) continue;
    const middle = Math.floor((slots.from + slots.to) / 2);
    yield* foldedParts(options, { from: slots.from, to: middle });
    yield* foldedParts(options, { from: middle + 1, to: slots.to });
    return;
  }
  if (fold.poison.length > 0) throw new PoisonFound(fold.poison);
  yield fold;
}

/** What a later part wants besides lies in the DEFAULT partition until the indexes are built. */
async function makePartitions(targets: readonly TargetConnection[], fold: BucketFold): Promise<void> {
  for (const table of fold.tables) {
    const column = table.partitionedBy;
    if (column === undefined) continue;
    for (const { pool, schema, coverage } of targets) {
      const days = new Set<string>();
      for (const { row } of fold.rowsOf(table, coverage)) {
        const day = (row as Readonly<Record<string, unknown>>)[column];
        if (typeof day === 'string') days.add(day.slice(0, 'YYYY-MM-DD'.length));
      }
      await makeHistoryPartitions(pool, schema, table, days);
    }
  }
}

async function copyPart(
  client: PoolClient,
  { schema, coverage }: TargetConnection,
  fold: BucketFold,
  written: Record<string, number>,
): Promise<void> {
  for (const table of fold.tables) {
    const rows = await copyRows(client, schema, table, fold.rowsOf(table, coverage));
    addCounts(written, { [table.name]: rows });
  }
}

/** Each commits by itself: a target that has its unit is left out by the next call. */
async function inEveryTransaction(
  targets: readonly TargetConnection[],
  opened: readonly PoolClient[],
  work: (clients: readonly PoolClient[]) => Promise<void>,
): Promise<void> {
  const [next, ...others] = targets;
  if (next === undefined) return work(opened);
  await inTransaction(next.pool, async (client) => {
    // A bucket that is folded by parts, or paused between them, keeps it open meanwhile.
    await client.query('set local idle_in_transaction_session_timeout = 0');
    await inEveryTransaction(others, [...opened, client], work);
  });
}

function addCounts(sums: Record<string, number>, counts: RowCounts): void {
  for (const [table, rows] of Object.entries(counts)) sums[table] = (sums[table] ?? 0) + rows;
}

/**
 * Takes back what buckets have written to a target: for the load to begin again once further sequences are stopped. What the
 * scan has copied stays. Repeatable.
 */
export async function emptyFolded(owner: Pool, schema: string, tier: ProjectionTier): Promise<void> {
  const tables = tablesOf(tier).filter(({ isWrittenOnce }) => isWrittenOnce !== true);
  await inTransaction(owner, async (client) => {
    if (tables.length > 0)
      await client.query(`truncate ${tables.map(({ name }) => `${schema}.${name}`).join(', ')}`);
    await client.query(`delete from ${schema}.load_units where unit like 'bucket %'`);
  });
}
