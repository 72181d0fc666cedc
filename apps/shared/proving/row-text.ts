import { escapeIdentifier, escapeLiteral } from 'pg';
import type { ExpectedDifference } from '../../../projections/expected-difference';
import type { AnyTable } from '../../../projections/projection';
import type { Coverage } from '../generations/coverage';

/** Every table has them; the lane stamps them (projections/projection.ts, Table). */
const stampedColumns = ['tenant_id', 'slot', 'log_position'] as const;

export type HashName = 'hashtextextended' | 'md5';

/** SQL of one table of a tier, for proofs. Sessions pin how values look as text (createPool). */
export class RowText {
  /** Of the key after the tenant, as the database knows it. */
  private readonly keyColumns: readonly string[];
  readonly columns: readonly string[];

  constructor(
    readonly table: AnyTable,
    private readonly expected: readonly ExpectedDifference[] = [],
    /** Columns that not all targets have: they cannot be compared. */
    absent: ReadonlySet<string> = new Set(),
  ) {
    this.columns = columnsOf(table).filter((name) => !absent.has(name));
    this.keyColumns = [...table.primaryKey, ...(table.isKeyedBySlot ? ['slot'] : [])];
    for (const each of expected) this.refuseUnknown(each);
  }

  from(schema: string): string {
    return `${escapeIdentifier(schema)}.${escapeIdentifier(this.table.name)} t`;
  }

  /** Tenant and primary key, in one text. */
  get key(): string {
    return ['tenant_id', ...this.keyColumns].map((name) => `${column(name)}::text`).join(` || ' ' || `);
  }

  /**
   * Columns by name, so that their order in the table, which a migration may change, does not matter. Bytes go in as their
   * digest: their text would be twice as long, and hashed after that.
   */
  get text(): string {
    return `row(${this.columns.map((name) => this.value(name)).join(', ')})::text`;
  }

  /** Digests of single columns, to tell which of them differ. */
  get columnHashes(): string {
    return this.columns.map((name) => `md5(coalesce((${this.value(name)})::text, '-'))`).join(', ');
  }

  /** Rows of a coverage that must be equal. */
  within({ slots, tenantId, except }: Coverage): string {
    const conditions = [`t.slot between ${slots.from} and ${slots.to}`];
    if (tenantId !== null) conditions.push(`t.tenant_id = ${escapeLiteral(tenantId)}`);
    if (except.length > 0) conditions.push(`t.tenant_id <> all (${uuids(except)})`);
    for (const each of this.expected)
      if (each.columns === 'rows') conditions.push(`not (${this.isExpected(each)})`);
    return conditions.join(' and ');
  }

  /** Rows of a tenant in some slots, whether they must be equal or not. */
  ofTenant(tenantId: string, slots: Iterable<number>): string {
    return `t.tenant_id = ${escapeLiteral(tenantId)} and t.slot = any (array[${[...slots].join(', ')}]::smallint[])`;
  }

  private value(name: string): string {
    const shown =
      this.table.columns[name] === 'bytea' ? `encode(sha256(${column(name)}), 'hex')` : column(name);
    const expected = this.expected.filter(({ columns }) => columns !== 'rows' && columns.includes(name));
    if (expected.length === 0) return shown;
    if (expected.some(({ where }) => where === undefined)) return 'null';
    return `case when ${expected.map((each) => this.isExpected(each)).join(' or ')} then null else ${shown} end`;
  }

  private isExpected({ where = {} }: ExpectedDifference): string {
    const conditions: string[] = [];
    if (where.tenantIds) conditions.push(`t.tenant_id = any (${uuids(where.tenantIds)})`);
    if (where.slots) conditions.push(`t.slot between ${where.slots.from} and ${where.slots.to}`);
    if (where.keys) {
      const key = `array[${this.keyColumns.map((name) => `${column(name)}::text`).join(', ')}]`;
      const keys = where.keys.map((values) => `array[${values.map(escapeLiteral).join(', ')}]`);
      conditions.push(`(${keys.map((values) => `${key} = ${values}`).join(' or ') || 'false'})`);
    }
    return conditions.length === 0 ? 'true' : `(${conditions.join(' and ')})`;
  }

  private refuseUnknown({ columns, where }: ExpectedDifference): void {
    if (columns === 'rows') return;
    for (const name of columns)
      if (!columnsOf(this.table).includes(name) || name === 'tenant_id' || name === 'slot')
        throw new Error(`${this.table.name} has no column ${name} that could be expected to differ`);
    for (const key of where?.keys ?? [])
      if (key.length !== this.keyColumns.length)
        throw new Error(`A key of ${this.table.name} has ${this.keyColumns.length} values after the tenant`);
  }
}

/** All columns of a table, the stamped ones first. */
export function columnsOf({ columns }: AnyTable): string[] {
  return [...stampedColumns, ...Object.keys(columns).sort()];
}

/** Two independent 64-bit hashes of a text: one sum of them could agree by chance. */
export function hashesOf(hash: HashName, text: string): readonly [string, string] {
  if (hash === 'hashtextextended') return [`hashtextextended(${text}, 0)`, `hashtextextended(${text}, 1)`];
  const half = (start: number): string => `('x' || substr(md5(${text}), ${start}, 16))::bit(64)::bigint`;
  return [half(1), half(17)];
}

function column(name: string): string {
  return `t.${escapeIdentifier(name)}`;
}

function uuids(ids: readonly string[]): string {
  return `array[${ids.map(escapeLiteral).join(', ')}]::uuid[]`;
}
