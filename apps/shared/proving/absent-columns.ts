import type { ExpectedDifference } from '../../../projections/expected-difference';
import type { AnyTable } from '../../../projections/projection';
import { columnsOf } from './row-text';
import type { SnapshotPart } from './snapshot-part';

/** What this build's table has and a side, made by another build, has not. */
export interface AbsentColumns {
  /** Of either side: what cannot be compared. */
  readonly columns: ReadonlySet<string>;
  readonly bySide: Readonly<Record<'left' | 'right', ReadonlySet<string>>>;
  /** The whole table is not there. */
  readonly isTableAbsent: { readonly left: boolean; readonly right: boolean };
  readonly faults: readonly string[];
}

/** Faults are those that no expected difference explains. */
export async function absentColumns(
  table: AnyTable,
  sides: { readonly left: readonly SnapshotPart[]; readonly right: readonly SnapshotPart[] },
  expected: readonly ExpectedDifference[],
): Promise<AbsentColumns> {
  const wanted = columnsOf(table);
  const everywhere = expected.filter(({ where }) => where === undefined);
  const isWholeTableExpected = everywhere.some(({ columns }) => columns === 'rows');
  const isExpected = (name: string): boolean =>
    everywhere.some(({ columns }) => columns === 'rows' || columns.includes(name));
  const absent = new Set<string>();
  const faults: string[] = [];
  const isTableAbsent = { left: false, right: false };
  const bySide: Record<'left' | 'right', ReadonlySet<string>> = { left: new Set(), right: new Set() };
  for (const side of ['left', 'right'] as const) {
    const missing = new Set(
      (await Promise.all(sides[side].map((part) => missingIn(part, table.name, wanted)))).flat(),
    );
    bySide[side] = missing;
    isTableAbsent[side] = missing.size === wanted.length;
    if (isTableAbsent[side]) {
      if (!isWholeTableExpected) faults.push(`the ${side} has no table ${table.name}`);
      continue;
    }
    for (const name of missing) {
      absent.add(name);
      if (!isExpected(name)) faults.push(`the ${side} has no column ${table.name}.${name}`);
    }
  }
  return { columns: absent, bySide, isTableAbsent, faults };
}

async function missingIn(
  { snapshot, schema }: SnapshotPart,
  table: string,
  wanted: readonly string[],
): Promise<string[]> {
  const { rows } = await snapshot.read((client) =>
    client.query<{ name: string }>(
      `select wanted.name from unnest($3::text[]) as wanted (name)
       where not exists (
         select from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and c.relname = $2 and a.attname = wanted.name and not a.attisdropped)`,
      [schema, table, wanted],
    ),
  );
  return rows.map(({ name }) => name);
}
