import type { PoolClient } from 'pg';
import type { AnyTable } from '../../../../projections/projection';
import { tablesOf } from '../../../../projections/tiers';
import { inTransaction } from '../../postgres/transaction';
import { applyOperations, isPoison, keyColumns } from '../../projecting/row-writer';
import { EventScope, type ScopedEvent } from './event-scope';
import type { BucketLoaded, BucketToLoad, TargetConnection } from './bucket-to-load';
import { unitDone } from './load-units';
import { copiedColumns } from './row-encoder';

const eventsPerBatch = 1_000;
/** Where PostgreSQL keeps the temporary tables of a session. */
export const scratch = 'pg_temp';

/** Ends the transaction of a target that has met poison. */
class Refused extends Error {}

/**
 * The slow way of a bucket that COPY has refused: its events go through the lanes' own writer into temporary tables with the
 * checks of the real ones, in halves down to the single event that is to blame, as a lane does. If it is none, the rows go
 * from there into the targets with the unit; else nothing is written.
 */
export async function upsertBucket(options: BucketToLoad & { readonly unit: string }): Promise<BucketLoaded> {
  const rows: Record<string, number> = {};
  for (const target of options.targets) {
    const scope = new EventScope({
      ...{ tier: options.tier, slots: options.bucket.slots, stopped: options.stopped },
      coverages: [target.coverage],
    });
    try {
      const written = await inTransaction(target.pool, (client) =>
        upsertTarget(client, target, scope, options),
      );
      for (const [table, count] of Object.entries(written)) rows[table] = (rows[table] ?? 0) + count;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return { rows, poison: scope.poison };
    }
  }
  return { rows, poison: [] };
}

async function upsertTarget(
  client: PoolClient,
  { schema }: TargetConnection,
  scope: EventScope,
  { tier, unit, events, onBlock }: BucketToLoad & { readonly unit: string },
): Promise<Record<string, number>> {
  await client.query('set local idle_in_transaction_session_timeout = 0');
  const tables = tablesOf(tier).filter(({ isWrittenOnce }) => isWrittenOnce !== true);
  for (const table of tables) await makeScratch(client, schema, table);
  let batch: ScopedEvent[] = [];
  for (const block of events()) {
    for (const event of block) {
      const scoped = scope.take(event);
      if (scoped !== null) batch.push(scoped);
    }
    if (batch.length >= eventsPerBatch) {
      await applyWhole(client, scope, batch);
      batch = [];
    }
    await onBlock?.(block.length);
  }
  await applyWhole(client, scope, batch);
  if (scope.poison.length > 0) throw new Refused();
  const written: Record<string, number> = {};
  for (const table of tables) written[table.name] = await moveRows(client, schema, table);
  await unitDone(client, schema, unit, written);
  return written;
}

/** A temporary table with the checks and the key of the real one, until the transaction ends. */
export async function makeScratch(client: PoolClient, schema: string, table: AnyTable): Promise<void> {
  await client.query(
    `create temp table ${table.name} (like ${schema}.${table.name} including all) on commit drop`,
  );
  const key = keyColumns(table).join(', ');
  await client.query(`alter table ${scratch}.${table.name} add primary key (${key})`);
}

/** Halves what is refused until the event that is to blame stands alone; that one stops its sequence. */
async function applyWhole(
  client: PoolClient,
  scope: EventScope,
  batch: readonly ScopedEvent[],
): Promise<void> {
  const wanted = batch.filter(({ sequence, event }) => !scope.isStopped(sequence, event.position));
  const [first] = wanted;
  if (first === undefined) return;
  await client.query('savepoint batch');
  try {
    await applyOperations(
      client,
      scratch,
      wanted.flatMap(({ event: { position }, operations }) =>
        operations.map((operation) => ({ position, operation })),
      ),
    );
    await client.query('release savepoint batch');
    return;
  } catch (error) {
    if (!isPoison(error)) throw error;
    await client.query('rollback to savepoint batch');
    if (wanted.length === 1)
      return scope.stop(first.event, first.sequence, error instanceof Error ? error.message : String(error));
  }
  const middle = Math.ceil(wanted.length / 2);
  await applyWhole(client, scope, wanted.slice(0, middle));
  await applyWhole(client, scope, wanted.slice(middle));
}

/** From the scratch table into the real one; resolves to their number. */
export async function moveRows(client: PoolClient, schema: string, table: AnyTable): Promise<number> {
  const columns = copiedColumns(table)
    .map((name) => `"${name}"`)
    .join(', ');
  const { rowCount } = await client.query(
    `insert into ${schema}.${table.name} (${columns})
     select ${columns} from ${scratch}.${table.name} order by tenant_id, log_position`,
  );
  return rowCount ?? 0;
}
