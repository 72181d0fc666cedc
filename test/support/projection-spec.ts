import type { ContentEvent } from '../../projections/content-event';
import type { AnyTable, Projection, RowChange, RowOperation } from '../../projections/projection';

type Rows = Map<string, Map<string, object>>;

/** given(events).whenProjectedBy(projection).thenRows(table, rows): a fold needs no database to be specified. */
export function given(events: readonly ContentEvent[]) {
  return {
    whenProjectedBy: (projection: Projection<ContentEvent>) => ({
      thenRows: (table: AnyTable, expected: readonly object[]) => {
        const once = project(projection, events);
        expect(rowsOf(once, table)).toEqual(expected);
        // Said here once, it holds for every projection: the whole log delivered again changes nothing.
        expect(project(projection, [...events, ...events])).toEqual(once);
      },
    }),
  };
}

/** The rule of a lane: an event at or before the checkpoint was applied already. */
function project(projection: Projection<ContentEvent>, events: readonly ContentEvent[]): Rows {
  const rows: Rows = new Map();
  let checkpoint = -1n;
  for (const event of events) {
    if (event.position <= checkpoint) continue;
    checkpoint = event.position;
    for (const operation of projection.project(event)) apply(rows, operation);
  }
  return rows;
}

function apply(rows: Rows, { table, tenantId, slot, key, fold }: RowOperation): void {
  const ofTable = rows.get(table.name) ?? new Map<string, object>();
  rows.set(table.name, ofTable);
  const id = JSON.stringify([tenantId, slot, key]);
  const before = ofTable.get(id) ?? null;
  // Frozen, so that a fold which writes into its row fails here and not in some lane.
  const after = fold(before && Object.freeze({ ...before }));
  if (after === null) ofTable.delete(id);
  else ofTable.set(id, after);
  const derived = table.derive?.({ tenantId, slot, before, after } as RowChange<never>) ?? [];
  for (const operation of derived) apply(rows, operation);
}

function rowsOf(rows: Rows, table: AnyTable): object[] {
  return [...(rows.get(table.name)?.values() ?? [])];
}
