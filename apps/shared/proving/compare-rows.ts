import type { ExpectedDifference } from '../../../projections/expected-difference';
import type { ProjectionTier } from '../../../projections/tier';
import { tablesOf } from '../../../projections/tiers';
import { absentColumns, type AbsentColumns } from './absent-columns';
import type { GateResult, SlotList, TableRecord } from './certificate';
import { differingRows, rowsListedMax } from './differing-rows';
import { RowText, type HashName } from './row-text';
import {
  addSlotDigests,
  differingSlots,
  digestSlots,
  digestText,
  slotLines,
  slotsSha256,
  totalOf,
  type SlotDigests,
} from './slot-digests';
import type { SnapshotPart } from './snapshot-part';

export interface RowsInput {
  readonly tier: ProjectionTier;
  readonly left: readonly SnapshotPart[];
  readonly right: readonly SnapshotPart[];
  readonly hash: HashName;
  readonly expectedDifferences: readonly ExpectedDifference[];
  /** Told after each table. */
  readonly onTable: (table: string) => void;
  readonly signal: AbortSignal;
}

export interface ComparedRows {
  readonly tables: readonly TableRecord[];
  readonly slots: SlotList;
  readonly gates: readonly [rows: GateResult, expectedDifferences: GateResult];
}

/** Gates 2 and 3: every slot of every table has the same rows on both sides, but for what is declared to differ. */
export async function compareRows(input: RowsInput): Promise<ComparedRows> {
  const tables: TableRecord[] = [];
  const slots: Record<string, readonly [readonly string[], readonly string[]]> = {};
  refuseUnknownTables(input);
  const faults: string[] = [];
  for (const table of tablesOf(input.tier)) {
    input.signal.throwIfAborted();
    const expected = input.expectedDifferences.filter((each) => each.table === table.name);
    const absent = await absentColumns(table, input, expected);
    faults.push(...absent.faults);
    const text = new RowText(table, expected, absent.columns);
    const [left, right] = await Promise.all([
      sideDigests(text, absent.isTableAbsent.left ? [] : input.left, input.hash),
      sideDigests(text, absent.isTableAbsent.right ? [] : input.right, input.hash),
    ]);
    slots[table.name] = [slotLines(left), slotLines(right)];
    tables.push(await tableRecord(text, input, { left, right }, absent));
    input.onTable(table.name);
  }
  return { tables, slots, gates: [rowsGate(input, tables, faults), expectedGate(input)] };
}

async function sideDigests(
  text: RowText,
  parts: readonly SnapshotPart[],
  hash: HashName,
): Promise<SlotDigests> {
  const digests = parts.map(({ snapshot, schema, coverage }) =>
    snapshot.read((client) => digestSlots(client, { text, schema, where: text.within(coverage), hash })),
  );
  return addSlotDigests(await Promise.all(digests));
}

async function tableRecord(
  text: RowText,
  { left, right }: RowsInput,
  { left: ours, right: theirs }: { left: SlotDigests; right: SlotDigests },
  { isTableAbsent }: AbsentColumns,
): Promise<TableRecord> {
  const slots = differingSlots(ours, theirs);
  const sides = {
    left: { parts: isTableAbsent.left ? [] : left, digests: ours },
    right: { parts: isTableAbsent.right ? [] : right, digests: theirs },
  };
  const [sum, otherSum] = [totalOf(ours), totalOf(theirs)];
  return {
    table: text.table.name,
    rows: [sum.rows, otherSum.rows],
    digests: [digestText(sum), digestText(otherSum)],
    slotsSha256: [slotsSha256(ours), slotsSha256(theirs)],
    isEqual: slots.length === 0,
    differing:
      slots.length === 0
        ? { slots: 0, rows: 0, isRowCountExact: true, listed: [] }
        : await differingRows({ text, slots, ...sides }),
  };
}

function rowsGate(
  { expectedDifferences }: RowsInput,
  tables: readonly TableRecord[],
  faults: readonly string[],
): GateResult {
  const different = tables.filter(({ isEqual }) => !isEqual);
  return {
    gate: 'rows',
    holds: different.length === 0 && faults.length === 0,
    measured: {
      tables: tables.length,
      rows: [0, 1].map((side) => tables.reduce((sum, { rows }) => sum + (rows[side] ?? 0), 0)),
      slotsThatDiffer: different.reduce((sum, { differing }) => sum + differing.slots, 0),
      isStrict: expectedDifferences.length === 0,
    },
    detail: [...faults, ...different.flatMap(linesOf)],
  };
}

function linesOf({ table, rows: [left, right], differing }: TableRecord): string[] {
  const atLeast = differing.isRowCountExact ? '' : 'at least ';
  const more = differing.rows > rowsListedMax ? `, the first ${rowsListedMax} of them` : '';
  return [
    `${table}: ${atLeast}${differing.rows} rows differ in ${differing.slots} slots (left ${left} rows, right ${right})${more}:`,
    ...differing.listed.map(({ key, slot, where, columns }) => {
      const what = where === 'both' ? columns.join(', ') : `only on the ${where}`;
      return `${table} ${key} in slot ${slot}: ${what}`;
    }),
  ];
}

function expectedGate({ expectedDifferences }: RowsInput): GateResult {
  if (expectedDifferences.length === 0)
    return { gate: 'expected-differences', holds: null, measured: {}, detail: ['none is declared'] };
  return {
    gate: 'expected-differences',
    holds: true,
    measured: { declared: expectedDifferences.length },
    detail: expectedDifferences.map(
      ({ table, columns, reason, where }) =>
        `${table}: ${columns === 'rows' ? 'whole rows' : columns.join(', ')} may differ` +
        `${where === undefined ? '' : ' in some rows'}: ${reason}`,
    ),
  };
}

function refuseUnknownTables({ tier, expectedDifferences }: RowsInput): void {
  const known = new Set(tablesOf(tier).map(({ name }) => name));
  for (const { table } of expectedDifferences)
    if (!known.has(table))
      throw new Error(`${tier.tier} has no table ${table} that could be expected to differ`);
}
