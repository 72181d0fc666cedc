import { slotOf } from '../../../domain/slot';
import type { ExpectedDifference } from '../../../projections/expected-difference';
import type { AnyTable } from '../../../projections/projection';
import type { ProjectionTier } from '../../../projections/tier';
import { tablesOf } from '../../../projections/tiers';
import type { Coverage } from '../generations/coverage';
import { absentColumns, type AbsentColumns } from './absent-columns';
import type { GateResult } from './certificate';
import { isCovered } from './lane-counts';
import type { OracleRow } from './oracle/oracle';
import { keysOfTenant, keyText, shownRows, shownValue, type ShownRow } from './shown-rows';
import type { SnapshotPart } from './snapshot-part';

export interface ConsultationInput {
  readonly tier: ProjectionTier;
  readonly left: readonly SnapshotPart[];
  readonly right: readonly SnapshotPart[];
  readonly coverages: readonly Coverage[];
  readonly expectedDifferences: readonly ExpectedDifference[];
  /** That the streams were picked by. */
  readonly seed: number;
}

const linesMax = 40;

/** Holds rows of both sides against the oracle's, and keeps what differs. */
export class Consultation {
  streams = 0;
  private rows = 0;
  private readonly seen = new Set<string>();
  private readonly wrong: string[] = [];
  private readonly absent = new Map<string, Promise<AbsentColumns>>();
  private readonly tables: ReadonlyMap<string, AnyTable>;

  constructor(private readonly input: ConsultationInput) {
    this.tables = new Map(tablesOf(input.tier).map((table) => [table.name, table]));
  }

  async compareAll(rows: readonly OracleRow[]): Promise<void> {
    const byTable = new Map<string, OracleRow[]>();
    for (const row of rows)
      if (this.isNew(row)) byTable.set(row.table, [...(byTable.get(row.table) ?? []), row]);
    for (const [name, its] of byTable) {
      this.rows += its.length;
      await this.compare(this.table(name), its);
    }
  }

  /** Rows of a tenant that no event explains. */
  async refuseOthers(tableName: string, tenantId: string, rows: readonly OracleRow[]): Promise<void> {
    const table = this.table(tableName);
    const known = new Set(rows.map((row) => keyText(table, row)));
    for (const [side, parts] of this.sides())
      for (const key of await keysOfTenant(table, parts, tenantId))
        if (!known.has(key)) this.wrong.push(`${side}: ${tableName} ${key}: no event made it`);
  }

  result(): GateResult {
    const { seed } = this.input;
    return {
      gate: 'oracle',
      holds: this.wrong.length === 0,
      measured: { streams: this.streams, rows: this.rows, seed, wrong: this.wrong.length },
      detail: this.wrong.slice(0, linesMax),
    };
  }

  /** Whether the row is of what is proved, and was not looked at with another stream. */
  private isNew(row: OracleRow): boolean {
    const { tenantId, slotEntityId } = row;
    const name = `${row.table} ${keyText(this.table(row.table), row)}`;
    if (this.seen.has(name)) return false;
    if (!isCovered(this.input.coverages, { tenantId, slot: slotOf(tenantId, slotEntityId) })) return false;
    this.seen.add(name);
    return true;
  }

  private async compare(table: AnyTable, rows: readonly OracleRow[]): Promise<void> {
    const absent = await this.absentIn(table);
    const sides = await Promise.all(
      this.sides()
        .filter(([side]) => !absent.isTableAbsent[side])
        .map(async ([side, parts]) => ({
          side,
          shown: await shownRows(table, parts, rows, absent.bySide[side]),
        })),
    );
    for (const row of rows) {
      const key = keyText(table, row);
      for (const { side, shown } of sides) {
        const fault = this.faultOf(table, row, shown.get(key), absent.bySide[side]);
        if (fault !== null) this.wrong.push(`${side}: ${row.table} ${key}: ${fault}`);
      }
    }
  }

  private faultOf(
    table: AnyTable,
    { values }: OracleRow,
    shown: ShownRow | undefined,
    absent: ReadonlySet<string>,
  ): string | null {
    if (values === null) return shown === undefined ? null : 'it should not be there';
    if (shown === undefined) return 'it should be there, in its slot';
    const differing = Object.entries(values)
      .filter(([column]) => !absent.has(column))
      .filter(([column, value]) => shown[column] !== shownValue(value))
      .map(([column]) => column)
      .filter((column) => !this.isExpected(table, column));
    return differing.length === 0 ? null : `the events say otherwise of ${differing.join(', ')}`;
  }

  /** What one side has not at all is the matter of the rows' gate. */
  private async absentIn(table: AnyTable): Promise<AbsentColumns> {
    const known = this.absent.get(table.name) ?? absentColumns(table, this.input, []);
    this.absent.set(table.name, known);
    return known;
  }

  /** What is declared to differ has two right values; nobody could say here which side is to have which. */
  private isExpected({ name }: AnyTable, column: string): boolean {
    return this.input.expectedDifferences.some(
      ({ table, columns }) => table === name && (columns === 'rows' || columns.includes(column)),
    );
  }

  private sides(): (readonly ['left' | 'right', readonly SnapshotPart[]])[] {
    return [
      ['left', this.input.left],
      ['right', this.input.right],
    ];
  }

  private table(name: string): AnyTable {
    const table = this.tables.get(name);
    if (table === undefined) throw new Error(`The oracle of ${this.input.tier.tier} knows a table ${name}`);
    return table;
  }
}
