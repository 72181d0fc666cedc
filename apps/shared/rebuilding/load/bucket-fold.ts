import type { AnyTable, RowOperation } from '../../../../projections/projection';
import { covers, type Coverage } from '../../generations/coverage';
import type { ReadableEvent } from '../../projecting/fold-event';
import { change, FoldFailed, HeldRows, type HeldRow } from '../../projecting/held-rows';
import { EventScope, type FoldScope } from './event-scope';
import type { RowToCopy } from './row-encoder';

/** An object with the fields of a row, its entry in a map and its key, without its texts (Node 20, measured). */
const bytesPerRow = 400;

/**
 * The rows of some slots, folded from nothing in memory as a lane folds them from what is stored (held-rows.ts): a row costs
 * one write however many events changed it.
 */
export class BucketFold {
  private readonly rows = new HeldRows();
  private readonly scope: EventScope;
  private heldBytes = 0;
  /** What the event at hand has changed so far. */
  private readonly undo: Pick<HeldRow, 'after' | 'position'>[] = [];
  private readonly touched: HeldRow[] = [];

  constructor(scope: FoldScope) {
    this.scope = new EventScope(scope);
  }

  /** Of the rows held, roughly: texts and bodies at their length when the row was new. */
  get bytes(): number {
    return this.heldBytes;
  }

  get poison(): EventScope['poison'] {
    return this.scope.poison;
  }

  get tables(): AnyTable[] {
    return this.rows.tables;
  }

  /** Takes the next event of the log. One that cannot be applied has no effect in any row, nor have those behind it. */
  add(event: ReadableEvent): void {
    const scoped = this.scope.take(event);
    if (scoped === null) return;
    this.touched.length = this.undo.length = 0;
    try {
      for (const operation of scoped.operations) this.apply(operation, event.position);
    } catch (error) {
      if (!(error instanceof FoldFailed)) throw error;
      for (let n = this.touched.length - 1; n >= 0; n--) Object.assign(this.touched[n]!, this.undo[n]);
      this.scope.stop(event, scoped.sequence, error.message);
    }
  }

  /** The rows of a table that a target holds, tenant by tenant, so that what one tenant reads lies together on disk. */
  *rowsOf(table: AnyTable, coverage: Coverage): Generator<RowToCopy> {
    for (const row of this.rows.of(table))
      if (row.after !== null && covers(coverage, row))
        yield { tenantId: row.tenantId, slot: row.slot, position: row.position, row: row.after };
  }

  private apply(operation: RowOperation, position: bigint): void {
    const row = this.rows.find(operation) ?? this.rows.hold(operation);
    const { after } = row;
    this.touched.push(row);
    this.undo.push({ after, position: row.position });
    const derived = change(row, operation, position);
    if (after === null && row.after !== null) this.heldBytes += bytesPerRow + sizeOf(row.after);
    for (const next of derived) this.apply(next, position);
  }
}

function sizeOf(row: object): number {
  let size = 0;
  for (const value of Object.values(row) as unknown[])
    if (typeof value === 'string' || value instanceof Uint8Array) size += value.length;
  return size;
}
