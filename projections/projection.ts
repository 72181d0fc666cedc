import type { MailfoldEvent } from '../domain/catalogue.events';
import type { Recorded } from '../domain/event';
import { slotOf } from '../domain/slot';

export type Tier = 'oltp' | 'content' | 'olap' | 'queue';

/**
 * How a value is held in memory: uuid, text, timestamptz (ISO-8601 UTC, milliseconds) and date (YYYY-MM-DD) as string,
 * smallint, integer and bigint as number (below 2^53), bytea as Uint8Array, jsonb as plain data.
 */
export type ColumnType =
  | 'uuid'
  | 'text'
  | 'smallint'
  | 'integer'
  | 'bigint'
  | 'boolean'
  | 'timestamptz'
  | 'date'
  | 'jsonb'
  | 'bytea';

/**
 * A table as its folds see it: without `tenant_id`, `slot` and `log_position`, which every table has and the lane
 * stamps, so that no projection can forget or forge them. The database's primary key is `tenant_id` and these columns.
 */
export interface Table<Row extends object> {
  readonly name: string;
  readonly primaryKey: readonly (keyof Row & string)[];
  readonly columns: { readonly [Column in keyof Row]-?: ColumnType };
  /** The key also holds the slot: one row per slot, whose figures add up, so that slots can move between shards. */
  readonly isKeyedBySlot?: true;
  /**
   * Every row is made by one event and never touched again: its folds do not look at the row before, none is taken away,
   * nothing is derived. A rebuild may then write it as it is read, without folding.
   */
  readonly isWrittenOnce?: true;
  /** A date of the key: the database keeps the rows in partitions by it, and its migration says so (partition_history). */
  readonly partitionedBy?: keyof Row & string;
  /** Holds the id of the entity whose slot the row lies in, where a column does. */
  readonly slotColumn?: (keyof Row & string) | 'tenant_id';
  /** Rows of other tables that follow from a change of this one; in the same slot, applied in the same transaction. */
  readonly derive?: (change: RowChange<Row>) => RowOperation[];
}

/** A table of whatever rows, as lanes, rebuilds and proofs see it. */
export interface AnyTable {
  readonly name: string;
  readonly primaryKey: readonly string[];
  readonly columns: Readonly<Record<string, ColumnType>>;
  readonly isKeyedBySlot?: true;
  readonly isWrittenOnce?: true;
  readonly partitionedBy?: string;
  readonly slotColumn?: string;
  readonly derive?: (change: RowChange<never>) => RowOperation[];
}

export interface RowChange<Row extends object> {
  readonly tenantId: string;
  readonly slot: number;
  readonly before: Row | null;
  readonly after: Row | null;
}

/**
 * What one event does to one row: a pure function from the row as it was (`null`: not there) to the row as it is
 * (`null`: gone). It must return a new object or the old one unchanged, never write into it.
 * Lanes apply the operations of their own slots only, in log order, each exactly once.
 */
export interface RowOperation {
  readonly table: AnyTable;
  readonly tenantId: string;
  readonly slot: number;
  /** Values of the table's primary key, in its order. */
  readonly key: readonly (string | number)[];
  readonly fold: (row: object | null) => object | null;
}

/** The events a projection may see. Content is joined by the reader, because a fold does no I/O. */
export type ProjectedEvent = Recorded<MailfoldEvent>;

/**
 * A read model: `(event) → row operations`, the same live, in a rebuild and in tests (architecture.md §5).
 * To add one: one file like this, one migration, and its line in the tier's registry.
 */
export interface Projection<E = ProjectedEvent> {
  readonly name: string;
  readonly tables: readonly AnyTable[];
  project(event: E): RowOperation[];
}

/** Where a row operation belongs: the entity decides the slot, and with it the lane and the shard. */
export function rowOperation<Row extends object>(
  table: Table<Row>,
  owner: { readonly tenantId: string; readonly slotEntityId: string },
  key: readonly (string | number)[],
  fold: (row: Row | null) => Row | null,
): RowOperation {
  return rowOperationInSlot(
    table,
    { tenantId: owner.tenantId, slot: slotOf(owner.tenantId, owner.slotEntityId) },
    key,
    fold,
  );
}

/** For {@link Table.derive}: the derived row lies in the slot of the row it follows from. */
export function rowOperationInSlot<Row extends object>(
  table: Table<Row>,
  place: { readonly tenantId: string; readonly slot: number },
  key: readonly (string | number)[],
  fold: (row: Row | null) => Row | null,
): RowOperation {
  return {
    table,
    tenantId: place.tenantId,
    slot: place.slot,
    key,
    fold: fold as (row: object | null) => object | null,
  };
}
