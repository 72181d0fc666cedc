import type { DifferingRow, TableRecord } from './certificate';
import type { RowText } from './row-text';
import type { SlotDigests } from './slot-digests';
import type { SnapshotPart } from './snapshot-part';

export const rowsListedMax = 20;
/** Rows of differing slots that are compared one by one, per table and side; beyond, there are "at least" so many. */
const rowsExaminedMax = 400_000;
/** What one comparison holds in memory, of some 150 bytes a row. */
const rowsAtOnce = 50_000;

export interface DifferingTable {
  readonly text: RowText;
  readonly slots: readonly number[];
  readonly left: { readonly parts: readonly SnapshotPart[]; readonly digests: SlotDigests };
  readonly right: { readonly parts: readonly SnapshotPart[]; readonly digests: SlotDigests };
}

/** Which rows make the slots differ: the first {@link rowsListedMax} with their columns, and how many there are. */
export async function differingRows(table: DifferingTable): Promise<TableRecord['differing']> {
  const listed: DifferingRow[] = [];
  let rows = 0;
  let examined = 0;
  for (const slots of chunksOf(table)) {
    if (examined >= rowsExaminedMax) break;
    const [left, right] = await Promise.all([
      hashesIn(table, 'left', slots),
      hashesIn(table, 'right', slots),
    ]);
    examined += Math.max(left.size, right.size);
    const found = different(left, right);
    rows += found.length;
    listed.push(...found.slice(0, rowsListedMax - listed.length));
  }
  return {
    slots: table.slots.length,
    rows,
    isRowCountExact: examined < rowsExaminedMax,
    listed: await withColumns(table, listed),
  };
}

/** Slots that are looked at together: a table has no index by slot, so each look reads all of it. */
function* chunksOf({ slots, left, right }: DifferingTable): Generator<number[]> {
  let chunk: number[] = [];
  let rows = 0;
  for (const slot of slots) {
    chunk.push(slot);
    rows += Math.max(left.digests.get(slot)?.rows ?? 0, right.digests.get(slot)?.rows ?? 0);
    if (rows < rowsAtOnce) continue;
    yield chunk;
    chunk = [];
    rows = 0;
  }
  if (chunk.length > 0) yield chunk;
}

interface HashedRow {
  readonly slot: number;
  readonly hash: string;
}

async function hashesIn(
  { text, ...sides }: DifferingTable,
  side: 'left' | 'right',
  slots: readonly number[],
): Promise<Map<string, HashedRow>> {
  const found = new Map<string, HashedRow>();
  for (const { snapshot, schema, coverage } of sides[side].parts) {
    const { rows } = await snapshot.read((client) =>
      client.query<{ key: string; slot: number; hash: string }>(
        `select ${text.key} as key, t.slot, md5(${text.text}) as hash
         from ${text.from(schema)} where ${text.within(coverage)} and t.slot = any ($1)`,
        [slots],
      ),
    );
    for (const { key, slot, hash } of rows) found.set(`${slot} ${key}`, { slot, hash });
  }
  return found;
}

function different(left: Map<string, HashedRow>, right: Map<string, HashedRow>): DifferingRow[] {
  const names = [...new Set([...left.keys(), ...right.keys()])].sort();
  return names.flatMap((name) => {
    const [ours, theirs] = [left.get(name), right.get(name)];
    if (ours?.hash === theirs?.hash) return [];
    const where = ours === undefined ? 'right' : theirs === undefined ? 'left' : 'both';
    const slot = (ours ?? theirs)?.slot ?? 0;
    return [{ key: name.slice(name.indexOf(' ') + 1), slot, where, columns: [] }];
  });
}

async function withColumns(table: DifferingTable, listed: readonly DifferingRow[]): Promise<DifferingRow[]> {
  const onBoth = listed.filter(({ where }) => where === 'both');
  if (onBoth.length === 0) return [...listed];
  const [left, right] = await Promise.all([
    columnHashesOf(table, 'left', onBoth),
    columnHashesOf(table, 'right', onBoth),
  ]);
  return listed.map((row) => {
    const [ours, theirs] = [left.get(row.key), right.get(row.key)];
    if (ours === undefined || theirs === undefined) return row;
    return { ...row, columns: table.text.columns.filter((_name, index) => ours[index] !== theirs[index]) };
  });
}

async function columnHashesOf(
  { text, ...sides }: DifferingTable,
  side: 'left' | 'right',
  wanted: readonly DifferingRow[],
): Promise<Map<string, readonly string[]>> {
  const found = new Map<string, readonly string[]>();
  for (const { snapshot, schema, coverage } of sides[side].parts) {
    const { rows } = await snapshot.read((client) =>
      client.query<{ key: string; hashes: string[] }>(
        `select ${text.key} as key, array[${text.columnHashes}] as hashes from ${text.from(schema)}
         where ${text.within(coverage)} and t.slot = any ($1) and ${text.key} = any ($2)`,
        [wanted.map(({ slot }) => slot), wanted.map(({ key }) => key)],
      ),
    );
    for (const { key, hashes } of rows) found.set(key, hashes);
  }
  return found;
}
