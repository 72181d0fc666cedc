import { escapeIdentifier, type ClientBase } from 'pg';
import { slotOf } from '../../../domain/slot';
import type { AnyTable } from '../../../projections/projection';
import type { ProjectionTier } from '../../../projections/tier';
import { tablesOf } from '../../../projections/tiers';
import { RowText } from './row-text';
import type { SnapshotPart } from './snapshot-part';

/** Something that must not be: at most {@link keysListedMax} keys are listed. */
export interface Violation {
  readonly invariant: string;
  readonly keys: readonly string[];
  readonly count: number;
}

export const keysListedMax = 20;
const rowsAtOnce = 20_000;

/**
 * What no projection has to declare: each row lies in the slot of its entity, in the target that holds the slot, and no
 * row is of an event behind the position.
 */
export async function checkTables(
  tier: ProjectionTier,
  part: SnapshotPart,
  position: bigint,
): Promise<Violation[]> {
  const found = await Promise.all(
    tablesOf(tier).map((table) =>
      part.snapshot.read(async (client) => {
        const text = new RowText(table);
        return [
          ...(await foreignRows(client, text, part, position)),
          await misplacedRows(client, table, text, part),
        ];
      }),
    ),
  );
  return found.flat().filter(({ count }) => count > 0);
}

/** Rows that are not the target's, or of later events: both are looked for in one reading of the table. */
async function foreignRows(
  client: ClientBase,
  text: RowText,
  { schema, target: { slots, tenantId } }: SnapshotPart,
  position: bigint,
): Promise<Violation[]> {
  const isOfOther = tenantId === null ? '' : ` or t.tenant_id <> '${tenantId}'`;
  const isStray = `(t.slot not between ${slots.from} and ${slots.to}${isOfOther})`;
  const isLater = `t.log_position > ${position}`;
  const { rows } = await client.query<{ found: boolean }>(
    `select exists (select from ${text.from(schema)} where ${isStray} or ${isLater}) as found`,
  );
  if (rows[0]?.found !== true) return [];
  return [
    violationOf(
      `${text.table.name} of ${schema} hold rows of that target only`,
      await keysWhere(client, text, schema, isStray),
    ),
    violationOf(
      `${text.table.name} of ${schema} know nothing later than the position`,
      await keysWhere(client, text, schema, isLater),
    ),
  ];
}

/** The hash of a slot is ours alone, so its rows are read through, as fast as a digest. */
async function misplacedRows(
  client: ClientBase,
  table: AnyTable,
  text: RowText,
  { schema, coverage }: SnapshotPart,
): Promise<Violation> {
  const invariant = `${table.name} of ${schema} lie in the slots of their entities`;
  if (table.slotColumn === undefined) return { invariant, keys: [], count: 0 };
  const keys: string[] = [];
  let count = 0;
  await client.query(
    `declare placed no scroll cursor for
     select t.tenant_id::text as tenant, t.${escapeIdentifier(table.slotColumn)}::text as entity, t.slot, ${text.key} as key
     from ${text.from(schema)} where ${text.within(coverage)}`,
  );
  for (;;) {
    const { rows } = await client.query<{ tenant: string; entity: string; slot: number; key: string }>(
      `fetch ${rowsAtOnce} from placed`,
    );
    if (rows.length === 0) break;
    for (const { tenant, entity, slot, key } of rows) {
      if (slotOf(tenant, entity) === slot) continue;
      count += 1;
      if (keys.length < keysListedMax) keys.push(key);
    }
  }
  await client.query('close placed');
  return { invariant, keys, count };
}

async function keysWhere(
  client: ClientBase,
  text: RowText,
  schema: string,
  condition: string,
): Promise<{ keys: string[]; count: number }> {
  const { rows } = await client.query<{ key: string; count: string }>(
    `select ${text.key} as key, count(*) over () as count from ${text.from(schema)}
     where ${condition} order by 1 limit ${keysListedMax}`,
  );
  return { keys: rows.map(({ key }) => key), count: Number(rows[0]?.count ?? 0) };
}

export function violationOf(invariant: string, found: { keys: string[]; count: number }): Violation {
  return { invariant, ...found };
}
