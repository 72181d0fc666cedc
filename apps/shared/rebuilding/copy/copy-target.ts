import type { Pool, PoolClient } from 'pg';
import type { AnyTable } from '../../../../projections/projection';
import type { ProjectionTier } from '../../../../projections/tier';
import { tablesOf } from '../../../../projections/tiers';
import type { Coverage } from '../../generations/coverage';
import { makeHistoryPartitions } from '../../partitions/history-partitions';
import { inTransaction } from '../../postgres/transaction';
import type { Checkpoint } from '../../projecting/lane-event';
import type { LaneTally, TargetToLoad } from '../contracts';
import { bareTables } from '../load/bare-tables';
import { buildIndexes, type IndexOptions } from '../load/build-indexes';
import { lanesOf } from '../load/finish-target';
import { isDone, loadedRows, unitDone, type RowCounts } from '../load/load-units';
import { loaderPool } from '../load/loader-pool';
import { copyTable, type CopyPace } from './copy-table';
import { partsToCopy, rowsOf, type CopiedPart } from './copied-part';
import { placeLanes, type ParkedState } from './place-lanes';
import type { CopySource, SourceSnapshots } from './source-snapshots';

/** What all targets of a copy take over. */
export interface CopiedState {
  readonly snapshots: SourceSnapshots;
  /** The figures of the lanes of each target, once the log is counted. */
  readonly counting: Promise<ReadonlyMap<CopyTarget, readonly LaneTally[]>>;
  /** Of each source. */
  readonly parked: readonly ParkedState[];
}

export interface CopyOptions extends CopyPace {
  readonly onTable: () => void;
}

const unit = 'copy';
const parkedTable = 'parked_sequences';

/** A schema that is filled with rows of others. */
export class CopyTarget {
  /** Coverages of its lanes, in their order; known once it is prepared. */
  lanes: readonly Coverage[] = [];
  private readonly owner: Pool;
  private readonly schema: string;
  private readonly coverage: Coverage;
  private parts: readonly CopiedPart<CopySource>[] = [];

  constructor(
    private readonly tier: ProjectionTier,
    target: TargetToLoad,
  ) {
    this.schema = target.schema;
    this.coverage = target.coverage;
    this.owner = loaderPool(target.databaseUrl, 3);
  }

  /** Takes the indexes off. Throws when the sources do not hold what it is to hold. */
  async prepare(sources: readonly CopySource[]): Promise<void> {
    this.parts = partsToCopy(this.coverage, sources);
    await bareTables(this.owner, this.schema, this.tier);
    this.lanes = (await lanesOf(this.owner, this.schema)).map(({ coverage }) => coverage);
  }

  isCopied(): Promise<boolean> {
    return isDone(this.owner, this.schema, unit);
  }

  /** All rows, the parked events and the lanes' checkpoints, or nothing. */
  async copy(state: CopiedState, options: CopyOptions): Promise<void> {
    for (const table of tablesOf(this.tier)) await this.makePartitions(table, state.snapshots);
    await inTransaction(this.owner, async (client) => {
      // It idles while the log is counted.
      await client.query('set local idle_in_transaction_session_timeout = 0');
      const rows: Record<string, number> = {};
      for (const table of tablesOf(this.tier)) {
        // What a killed copy has left takes no room, and pages made in the same transaction are not logged twice.
        await client.query(`truncate ${this.schema}.${table.name}`);
        rows[table.name] = await this.copyRows(table, client, state.snapshots, options);
        options.onTable();
      }
      const tallies = (await state.counting).get(this) ?? [];
      const { checkpoint } = state.snapshots;
      const { parked } = state;
      rows[parkedTable] = await placeLanes(client, this.schema, checkpoint, { tallies, parked });
      await unitDone(client, this.schema, unit, rows);
    });
  }

  async index(options: IndexOptions): Promise<void> {
    await buildIndexes(this.owner, this.schema, this.tier, options);
  }

  async copied(): Promise<{ rows: RowCounts; parkedEvents: number; checkpoint: Checkpoint | null }> {
    const { [parkedTable]: parkedEvents = 0, ...written } = await loadedRows(this.owner, this.schema);
    const { rows } = await this.owner.query<{ position: string | null; event_id: string | null }>(
      `select commit_position as position, event_id from ${this.schema}.checkpoints limit 1`,
    );
    const { position = null, event_id: eventId = null } = rows[0] ?? {};
    const checkpoint = position === null || eventId === null ? null : { position: BigInt(position), eventId };
    return { rows: written, parkedEvents, checkpoint };
  }

  close(): Promise<void> {
    return this.owner.end();
  }

  private async copyRows(
    table: AnyTable,
    into: PoolClient,
    snapshots: SourceSnapshots,
    options: CopyOptions,
  ): Promise<number> {
    let rows = 0;
    for (const { source, coverage } of this.parts) {
      const from = await snapshots.connect(source.databaseUrl);
      try {
        rows += await copyTable(
          {
            table,
            from: { client: from, schema: source.schema, rows: rowsOf(coverage) },
            into: { client: into, schema: this.schema },
          },
          options,
        );
      } finally {
        from.release(true);
      }
    }
    return rows;
  }

  /** For the rows that will come; before the transaction, as others may read the tables of this database meanwhile. */
  private async makePartitions(table: AnyTable, snapshots: SourceSnapshots): Promise<void> {
    const { partitionedBy, name } = table;
    if (partitionedBy === undefined) return;
    for (const { source, coverage } of this.parts) {
      const client = await snapshots.connect(source.databaseUrl);
      try {
        const { rows } = await client.query<{ day: string }>(
          `select distinct ${partitionedBy}::text as day from ${source.schema}.${name} where ${rowsOf(coverage)}`,
        );
        await makeHistoryPartitions(
          this.owner,
          this.schema,
          table,
          rows.map(({ day }) => day),
        );
      } finally {
        client.release(true);
      }
    }
  }
}
