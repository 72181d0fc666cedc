import { slotCount } from '../../domain/slot';
import type { ContentEvent } from '../../projections/content-event';
import type { AnyTable, Projection, RowChange, RowOperation } from '../../projections/projection';

/** By table, then by key. */
export type Rows = Map<string, Map<string, object>>;

/** given(events).whenProjectedBy(projection).thenRows(table, rows): a fold needs no database to be specified. */
export function given(events: readonly ContentEvent[]) {
  return {
    whenProjectedBy: (projection: Projection<ContentEvent>) => ({
      thenRows: (table: AnyTable, expected: readonly object[]) => {
        const once = project(projection, events);
        expect(rowsOf(once, table)).toEqual(expected);
        // Said here once, it holds for every projection: the whole log delivered again changes nothing, and it makes no
        // difference how many lanes share the work.
        expect(project(projection, [...events, ...events])).toEqual(once);
        expect(projectInLanes(projection, events, [1_000, 3_000])).toEqual(once);
      },
    }),
  };
}

/** The rule of a lane: an event at or before the checkpoint was applied already, and other lanes' slots are not its own. */
export function project(
  projection: Projection<ContentEvent>,
  events: readonly ContentEvent[],
  isOwnSlot: (slot: number) => boolean = () => true,
): Rows {
  const rows: Rows = new Map();
  let checkpoint = -1n;
  for (const event of events) {
    if (event.position <= checkpoint) continue;
    checkpoint = event.position;
    for (const operation of projection.project(event)) {
      if (isOwnSlot(operation.slot)) apply(rows, operation);
    }
  }
  return rows;
}

/** The rows of lanes that begin at slot 0 and at each of `bounds`; fails when two lanes come to hold one row. */
export function projectInLanes(
  projection: Projection<ContentEvent>,
  events: readonly ContentEvent[],
  bounds: readonly number[],
): Rows {
  const starts = [...new Set([0, ...bounds])].sort((a, b) => a - b);
  const all: Rows = new Map();
  for (const [lane, from] of starts.entries()) {
    const end = starts[lane + 1] ?? slotCount;
    for (const [name, ofLane] of project(projection, events, (slot) => slot >= from && slot < end)) {
      const ofTable = all.get(name) ?? new Map<string, object>();
      all.set(name, ofTable);
      for (const [id, row] of ofLane) {
        expect(ofTable.has(id)).toBe(false);
        ofTable.set(id, row);
      }
    }
  }
  return all;
}

function apply(rows: Rows, { table, tenantId, slot, key, fold }: RowOperation): void {
  const ofTable = rows.get(table.name) ?? new Map<string, object>();
  rows.set(table.name, ofTable);
  // As the database has it: the key of a table that is not kept per slot leads to one row, whatever the slot.
  const id = JSON.stringify([tenantId, key, ...(table.isKeyedBySlot ? [slot] : [])]);
  const before = ofTable.get(id) ?? null;
  // Frozen, so that a fold which writes into its row fails here and not in some lane.
  const after = fold(before && Object.freeze({ ...before }));
  if (after === null) ofTable.delete(id);
  else ofTable.set(id, fitting(table, key, after));
  const derived = table.derive?.({ tenantId, slot, before, after } as RowChange<never>) ?? [];
  for (const operation of derived) apply(rows, operation);
}

/** A row holds the columns of its table, no more and no fewer, and lies under its own key. */
function fitting(table: AnyTable, key: RowOperation['key'], row: object): object {
  const values = new Map(Object.entries(row) as [string, unknown][]);
  expect([...values.keys()].sort()).toEqual(Object.keys(table.columns).sort());
  expect([...values.values()]).not.toContain(undefined);
  expect(table.primaryKey.map((column) => values.get(column))).toEqual(key);
  return row;
}

export function rowsOf(rows: Rows, table: AnyTable): object[] {
  return [...(rows.get(table.name)?.values() ?? [])];
}
