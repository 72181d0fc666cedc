import type { Pool, PoolClient } from 'pg';
import type { AnyTable } from '../../../../projections/projection';
import type { ProjectionTier } from '../../../../projections/tier';
import { tablesOf } from '../../../../projections/tiers';
import type { EventStore } from '../../event-store/event-store';
import type { Coverage, SlotRange } from '../../generations/coverage';
import { makeHistoryPartitions } from '../../partitions/history-partitions';
import { createPool } from '../../postgres/pool';
import { inTransaction } from '../../postgres/transaction';
import type { LaneTally } from '../contracts';
import { lanesOf } from '../load/finish-target';
import { copiedColumns } from '../load/row-encoder';
import { copyTable } from './copy-table';
import { partsToCopy, rowsOf, type CopiedPart } from './copied-part';
import { insertParked, parkedState, parkedWithin, sequencesIn } from './place-lanes';
import { takeSourceSnapshots, type CopySource, type SourceSnapshots } from './source-snapshots';
import { refuseDifference, tallyLog } from './tally-log';

export interface TenantToCopy {
  readonly tier: ProjectionTier;
  readonly tenantId: string;
  /** What serves the tenant now. */
  readonly sources: readonly CopySource[];
  /** A schema in use, whose lanes leave the tenant out; the URL logs in as its owner. */
  readonly into: { readonly databaseUrl: string; readonly schema: string; readonly slots: SlotRange };
  readonly store: Pick<EventStore, 'readRecords'>;
  readonly signal: AbortSignal;
  readonly pace?: () => Promise<void>;
}

/**
 * Brings a tenant's rows into a schema that goes on being written and read: in one transaction with a lane of the tenant's
 * own, which keeps them at the end of the log from there on. Does nothing where the schema has such a lane.
 * Throws as {@link copyLoad} does.
 */
export async function copyTenant(options: TenantToCopy): Promise<void> {
  const { tier, tenantId, sources, into, signal } = options;
  const coverage: Coverage = { slots: into.slots, tenantId, except: [] };
  const parts = partsToCopy(coverage, sources);
  const writer = createPool(into.databaseUrl, {
    ...{ applicationName: 'mailfold-copy', role: 'mailfold_projector', maxConnections: 2 },
    ...{ statementTimeoutMs: 0, queryTimeoutMs: 0, connectionTimeoutMs: 30_000 },
  });
  try {
    const lanes = await lanesOf(writer, into.schema);
    if (lanes.some((lane) => lane.coverage.tenantId === tenantId)) return;
    if (lanes.some((lane) => !lane.coverage.except.includes(tenantId)))
      throw new Error(`the lanes of ${into.schema} write rows of the tenant ${tenantId} themselves`);
    const snapshots = await takeSourceSnapshots(sources, signal);
    try {
      const tally = await countTenant(options, snapshots, coverage);
      for (const table of tablesOf(tier)) await makePartitions(options, writer, table, parts, snapshots);
      await inTransaction(writer, (client) => fill(options, client, { coverage, parts, snapshots, tally }));
    } finally {
      await snapshots.close();
    }
  } finally {
    await writer.end();
  }
}

interface Filling {
  readonly coverage: Coverage;
  readonly parts: readonly CopiedPart<CopySource>[];
  readonly snapshots: SourceSnapshots;
  readonly tally: LaneTally;
}

async function countTenant(
  { store, signal, pace }: TenantToCopy,
  { checkpoint, lanes }: SourceSnapshots,
  coverage: Coverage,
): Promise<LaneTally> {
  const coverages = [...lanes.map((lane) => lane.coverage), coverage];
  const upTo = checkpoint?.position ?? null;
  const tallies = await tallyLog(coverages, { store, upTo, signal, ...(pace ? { pace } : {}) });
  for (const [index, said] of lanes.entries()) refuseDifference('the source', said, tallies[index]);
  return tallies[lanes.length] as LaneTally;
}

async function fill(
  { tier, tenantId, into, signal, pace }: TenantToCopy,
  client: PoolClient,
  { coverage, parts, snapshots, tally }: Filling,
): Promise<void> {
  await client.query('set local idle_in_transaction_session_timeout = 0');
  await client.query(`select set_config('app.tenant_ids', $1, true)`, [`{${tenantId}}`]);
  await insertLane(client, into.schema, snapshots, tally);
  // What was there before the lanes left the tenant out, if its deletion was cut short.
  for (const table of [...tablesOf(tier).map(({ name }) => name), 'parked_sequences', 'stopped_sequences'])
    await client.query(`delete from ${into.schema}.${table} where tenant_id = $1`, [tenantId]);
  for (const table of tablesOf(tier)) {
    // COPY refuses a table with row-level security.
    await client.query(`create temp table ${table.name} (like ${into.schema}.${table.name}) on commit drop`);
    for (const { source, coverage: rows } of parts)
      await withSource(snapshots, source, (from) =>
        copyTable(
          {
            table,
            from: { client: from, schema: source.schema, rows: rowsOf(rows) },
            into: { client, schema: 'pg_temp' },
          },
          { signal, ...(pace ? { pace } : {}) },
        ),
      );
    const columns = copiedColumns(table).map((name) => `"${name}"`);
    await client.query(
      `insert into ${into.schema}.${table.name} (${columns.join(', ')}) select ${columns.join(', ')} from pg_temp.${table.name}`,
    );
  }
  const parked = [];
  for (const { source, coverage: rows } of parts) {
    const state = await withSource(snapshots, source, (from) => parkedState(from, source.schema));
    parked.push(parkedWithin(rows, state));
  }
  const events = await insertParked(client, into.schema, parked, [coverage]);
  await client.query(`update ${into.schema}.checkpoints set parked_sequences = $1 where only_tenant = $2`, [
    sequencesIn(coverage, events),
    tenantId,
  ]);
}

async function insertLane(
  client: PoolClient,
  schema: string,
  { checkpoint }: SourceSnapshots,
  { coverage, events, digest }: LaneTally,
): Promise<void> {
  await client.query(
    `insert into ${schema}.checkpoints (lane, slot_from, slot_to, only_tenant, commit_position, prepare_position, event_id,
                                        events, id_digest_hi, id_digest_lo)
     select max(lane) + 1, $1, $2, $3, $4, $4, $5, $6, $7, $8 from ${schema}.checkpoints`,
    [
      ...[coverage.slots.from, coverage.slots.to, coverage.tenantId],
      ...[checkpoint?.position.toString() ?? null, checkpoint?.eventId ?? null],
      ...[events, digest.hi.toString(), digest.lo.toString()],
    ],
  );
}

async function makePartitions(
  { into, tenantId }: TenantToCopy,
  writer: Pool,
  table: AnyTable,
  parts: readonly CopiedPart<CopySource>[],
  snapshots: SourceSnapshots,
): Promise<void> {
  const { partitionedBy, name } = table;
  if (partitionedBy === undefined) return;
  for (const { source } of parts) {
    const days = await withSource(snapshots, source, async (client) => {
      const { rows } = await client.query<{ day: string }>(
        `select distinct ${partitionedBy}::text as day from ${source.schema}.${name} where tenant_id = $1`,
        [tenantId],
      );
      return rows.map(({ day }) => day);
    });
    await makeHistoryPartitions(writer, into.schema, table, days);
  }
}

async function withSource<T>(
  snapshots: SourceSnapshots,
  { databaseUrl }: CopySource,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await snapshots.connect(databaseUrl);
  try {
    return await work(client);
  } finally {
    client.release(true);
  }
}
