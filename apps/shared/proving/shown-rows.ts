import { createHash } from 'node:crypto';
import { escapeIdentifier } from 'pg';
import { slotOf } from '../../../domain/slot';
import type { AnyTable, ColumnType } from '../../../projections/projection';
import { covers } from '../generations/coverage';
import { canonicalJson } from './canonical-json';
import type { OracleRow, OracleValue } from './oracle/oracle';
import { columnsOf, RowText } from './row-text';
import type { SnapshotPart } from './snapshot-part';

export type ShownRow = Readonly<Record<string, string | null>>;

/** What tells a row of a table from the others, and which slot it belongs to. */
export type RowPlace = Pick<OracleRow, 'tenantId' | 'slotEntityId' | 'key'>;

/**
 * Rows of a side as text, one spelling per value, by {@link keyText}; those that are not there, or not in their slot, are
 * missing. One statement per target, since there may be hundreds.
 */
export async function shownRows(
  table: AnyTable,
  parts: readonly SnapshotPart[],
  places: readonly RowPlace[],
  /** Columns that the side has not. */
  absent: ReadonlySet<string>,
): Promise<Map<string, ShownRow>> {
  const byPart = new Map<SnapshotPart, RowPlace[]>();
  for (const place of places) {
    const part = partHolding(parts, place.tenantId, place.slotEntityId);
    if (part !== undefined) byPart.set(part, [...(byPart.get(part) ?? []), place]);
  }
  const found = await Promise.all(
    [...byPart].map(async ([part, its]): Promise<[string, ShownRow][]> => {
      const rows = await shownRowsOf(table, part, its, absent);
      return rows.flatMap(({ nth, ...row }) => {
        const place = its[Number(nth) - 1];
        return place === undefined ? [] : [[keyText(table, place), normalised(table, row)]];
      });
    }),
  );
  return new Map(found.flat());
}

/** The part of a side that has the rows of an entity. */
export function partHolding(
  parts: readonly SnapshotPart[],
  tenantId: string,
  entityId: string,
): SnapshotPart | undefined {
  const slot = slotOf(tenantId, entityId);
  return parts.find(({ coverage }) => covers(coverage, { tenantId, slot }));
}

async function shownRowsOf(
  table: AnyTable,
  { snapshot, schema }: SnapshotPart,
  places: readonly RowPlace[],
  absent: ReadonlySet<string>,
): Promise<(ShownRow & { nth: string })[]> {
  const names = Object.keys(places[0]?.key ?? {});
  // Compared in the type of its column, so that the index of the key serves.
  const matches = names.map(
    (name, index) =>
      ` and t.${escapeIdentifier(name)} = wanted.key_${index}::${table.columns[name] ?? 'text'}`,
  );
  const lists = names.map((_name, index) => `, $${index + 3}::text[]`).join('');
  const listNames = names.map((_name, index) => `, key_${index}`).join('');
  const { rows } = await snapshot.read((client) =>
    client.query<ShownRow & { nth: string }>(
      `select wanted.nth, ${shownColumns(table, absent)}
       from unnest($1::uuid[], $2::int[]${lists}) with ordinality as wanted (tenant_id, slot${listNames}, nth)
       join ${new RowText(table).from(schema)}
         on t.tenant_id = wanted.tenant_id and t.slot = wanted.slot${matches.join('')}`,
      [
        places.map(({ tenantId }) => tenantId),
        places.map(({ tenantId, slotEntityId }) => slotOf(tenantId, slotEntityId)),
        ...names.map((name) => places.map(({ key }) => String(key[name]))),
      ],
    ),
  );
  return rows;
}

/** Keys of all rows of a tenant, in the order of the table's primary key. */
export async function keysOfTenant(
  table: AnyTable,
  parts: readonly SnapshotPart[],
  tenantId: string,
): Promise<string[]> {
  const text = new RowText(table);
  const found: string[] = [];
  for (const { snapshot, schema, coverage } of parts) {
    const { rows } = await snapshot.read((client) =>
      client.query<{ key: string }>(
        `select ${text.key} as key from ${text.from(schema)} where ${text.within(coverage)} and t.tenant_id = $1`,
        [tenantId],
      ),
    );
    found.push(...rows.map(({ key }) => key));
  }
  return found;
}

export function keyText(table: AnyTable, { tenantId, key }: Pick<OracleRow, 'tenantId' | 'key'>): string {
  return [tenantId, ...table.primaryKey.map((name) => String(key[name]))].join(' ');
}

/** The spelling of {@link shownRow} for a value of an oracle. */
export function shownValue(value: OracleValue): string | null {
  if (value === null) return null;
  if (value instanceof Uint8Array) return createHash('sha256').update(value).digest('hex');
  return typeof value === 'object' ? canonicalJson(value) : String(value);
}

function shownColumns(table: AnyTable, absent: ReadonlySet<string>): string {
  return columnsOf(table)
    .filter((name) => !absent.has(name))
    .map((name) => `${shown(escapeIdentifier(name), table.columns[name])} as ${escapeIdentifier(name)}`)
    .join(', ');
}

function shown(name: string, type: ColumnType | undefined): string {
  if (type === 'timestamptz') return `to_char(t.${name} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
  if (type === 'date') return `to_char(t.${name}, 'YYYY-MM-DD')`;
  if (type === 'bytea') return `encode(sha256(t.${name}), 'hex')`;
  return `t.${name}::text`;
}

function normalised(table: AnyTable, row: Record<string, string | null>): ShownRow {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [
      name,
      table.columns[name] === 'jsonb' && value !== null ? canonicalJson(JSON.parse(value)) : value,
    ]),
  );
}
