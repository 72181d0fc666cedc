import { queryAsSuperuser } from './postgres';

/** All rows of one table, in figures that do not depend on their order. */
export interface TableDigest {
  readonly table: string;
  readonly rows: number;
  readonly digest: string;
}

/** A schema of a tier, where a superuser can read it. */
export interface TierSchema {
  readonly url: string;
  readonly schema: string;
}

/** Every table that lanes write has the column; what keeps books of a generation has not. */
const tablesOfLanes = `
  select c.relname as name from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'log_position'
  where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p') and not c.relispartition order by 1`;

/** The tables of a generation that hold tenants' rows, by name. */
export async function tablesWithRows({ url, schema }: TierSchema): Promise<string[]> {
  const tables = await queryAsSuperuser<{ name: string }>(url, tablesOfLanes, [schema]);
  return tables.map(({ name }) => name);
}

/** Taken from the catalogue and PostgreSQL's own text of whole rows: it knows nothing of how the rows came to be. */
export async function tableDigests(tier: TierSchema): Promise<TableDigest[]> {
  const digests: TableDigest[] = [];
  for (const table of await tablesWithRows(tier)) {
    const [row] = await queryAsSuperuser<{ rows: string; digest: string }>(
      tier.url,
      `select count(*) as rows, coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text as digest
       from ${tier.schema}.${table} t`,
    );
    digests.push({ table, rows: Number(row?.rows), digest: row?.digest ?? '' });
  }
  return digests;
}

/** What differs, one line each. */
export function differences(
  what: string,
  wanted: readonly TableDigest[],
  found: readonly TableDigest[],
): string[] {
  const foundOf = new Map(found.map((digest) => [digest.table, digest]));
  return wanted.flatMap(({ table, rows, digest }) => {
    const other = foundOf.get(table);
    if (other?.rows === rows && other.digest === digest) return [];
    return [
      `${what}.${table} has ${other?.rows ?? 'no'} rows, or other ones than the ${rows} it should have`,
    ];
  });
}

/** Rows and their sum by `table/slot`; what several schemas hold of a slot adds up, however it is divided among them. */
export type SlotDigests = ReadonlyMap<string, { readonly rows: number; readonly sum: bigint }>;

export async function slotDigests(
  parts: readonly (TierSchema & { readonly slots: { readonly from: number; readonly to: number } })[],
): Promise<SlotDigests> {
  const digests = new Map<string, { rows: number; sum: bigint }>();
  for (const { url, schema, slots } of parts)
    for (const table of await tablesWithRows({ url, schema })) {
      const found = await queryAsSuperuser<{ slot: number; rows: number; sum: string }>(
        url,
        `select slot, count(*)::int as rows, sum(hashtextextended(t::text, 0)::numeric)::text as sum
         from ${schema}.${table} t where slot between $1 and $2 group by slot`,
        [slots.from, slots.to],
      );
      for (const { slot, rows, sum } of found) {
        const known = digests.get(`${table}/${slot}`) ?? { rows: 0, sum: 0n };
        digests.set(`${table}/${slot}`, { rows: known.rows + rows, sum: known.sum + BigInt(sum) });
      }
    }
  return digests;
}

/** The `table/slot` whose rows differ, in order. */
export function differingSlots(one: SlotDigests, other: SlotDigests): string[] {
  return [...new Set([...one.keys(), ...other.keys()])]
    .filter((key) => {
      const [left, right] = [one.get(key), other.get(key)];
      return left?.rows !== right?.rows || left?.sum !== right?.sum;
    })
    .sort();
}
