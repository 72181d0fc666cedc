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

/** A row of a side as text, one spelling per value; null where it is not there, or not in its slot. */
export async function shownRow(
  table: AnyTable,
  parts: readonly SnapshotPart[],
  { tenantId, slotEntityId, key }: Pick<OracleRow, 'tenantId' | 'slotEntityId' | 'key'>,
  /** Columns that the side has not. */
  absent: ReadonlySet<string>,
): Promise<ShownRow | null> {
  const slot = slotOf(tenantId, slotEntityId);
  const part = parts.find(({ coverage }) => covers(coverage, { tenantId, slot }));
  if (part === undefined) return null;
  const names = Object.keys(key);
  const matches = names.map((name, index) => ` and t.${escapeIdentifier(name)}::text = $${index + 3}`);
  const { rows } = await part.snapshot.read((client) =>
    client.query<Record<string, string | null>>(
      `select ${shownColumns(table, absent)} from ${new RowText(table).from(part.schema)}
       where t.tenant_id = $1 and t.slot = $2${matches.join('')}`,
      [tenantId, slot, ...names.map((name) => String(key[name]))],
    ),
  );
  return rows[0] === undefined ? null : normalised(table, rows[0]);
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
