import type { AnyTable, RowChange, RowOperation } from '../../../projections/projection';

/** A projection threw: it will do so for this event every time. */
export class FoldFailed extends Error {}

/** A row in memory, as its folds change it. */
export interface HeldRow {
  readonly tenantId: string;
  readonly slot: number;
  readonly key: readonly (string | number)[];
  /** As it is stored. */
  before: object | null;
  after: object | null;
  /** Of the last event that changed it. */
  position: bigint;
}

/** Rows of a tenant by what makes them one: their key, and their slot where the table is keyed by it. */
type RowsOfTenant = Map<string | number, HeldRow>;

/**
 * Rows of any tables while events are folded into them: the one place where operations take effect, for lanes and bulk loads
 * alike. A row is looked up by its primary key; rows of a tenant lie together.
 */
export class HeldRows {
  private readonly byTable = new Map<AnyTable, Map<string, RowsOfTenant>>();

  find(operation: RowOperation): HeldRow | undefined {
    return this.byTable.get(operation.table)?.get(operation.tenantId)?.get(identity(operation));
  }

  /** Adds a row that is not held yet; until its caller says otherwise, it is not stored either. */
  hold(operation: RowOperation): HeldRow {
    const { table, tenantId, slot, key } = operation;
    let tenants = this.byTable.get(table);
    if (tenants === undefined) this.byTable.set(table, (tenants = new Map<string, RowsOfTenant>()));
    let rows = tenants.get(tenantId);
    if (rows === undefined) tenants.set(tenantId, (rows = new Map<string | number, HeldRow>()));
    const row: HeldRow = { tenantId, slot, key, before: null, after: null, position: 0n };
    rows.set(identity(operation), row);
    return row;
  }

  get tables(): AnyTable[] {
    return [...this.byTable.keys()];
  }

  /** Tenant by tenant; within one in the order in which they were first held. */
  *of(table: AnyTable): Generator<HeldRow> {
    for (const rows of this.byTable.get(table)?.values() ?? []) yield* rows.values();
  }
}

const nothing: readonly RowOperation[] = [];

/**
 * Folds an operation into its row. Returns what follows from the change; it may itself be followed by more. Throws
 * {@link FoldFailed}, with the row as it was.
 */
export function change(
  row: HeldRow,
  { table, tenantId, slot, fold }: RowOperation,
  position: bigint,
): readonly RowOperation[] {
  const before = row.after;
  try {
    const after = fold(before);
    if (after === before) return nothing;
    // `RowChange<never>` stands for the table's own row type, which only its projection knows.
    const derived = table.derive?.({ tenantId, slot, before, after } as RowChange<never>) ?? nothing;
    row.after = after;
    row.position = position;
    return derived;
  } catch (error) {
    throw new FoldFailed(error instanceof Error ? error.message : String(error));
  }
}

/** Lengths go before the parts of a key, so that no two keys of several texts are one. */
function identity({ table, slot, key }: RowOperation): string | number {
  const [first, ...others] = key;
  const prefix = table.isKeyedBySlot ? `${slot}/` : '';
  if (others.length === 0) return prefix === '' ? (first ?? '') : `${prefix}${first ?? ''}`;
  return prefix + key.map((part) => `${String(part).length}:${part}`).join('');
}
