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
  const found: Violation[] = [];
  for (const table of tablesOf(tier)) {
    const text = new RowText(table);
    found.push(
      ...(await part.snapshot.read(async (client) => [
        await strayRows(client, text, part),
        await laterRows(client, text, part, position),
        await misplacedRows(client, table, text, part),
      ])),
    );
  }
  return found.filter(({ count }) => count > 0);
}

async function strayRows(client: ClientBase, text: RowText, part: SnapshotPart): Promise<Violation> {
  const { slots, tenantId } = part.target;
  const isElsewhere = `t.slot not between ${slots.from} and ${slots.to}`;
  const isOfOther = tenantId === null ? '' : ` or t.tenant_id <> '${tenantId}'`;
  return violationOf(
    `${text.table.name} of ${part.schema} hold rows of that target only`,
    await keysWhere(client, text, part.schema, `${isElsewhere}${isOfOther}`),
  );
}

async function laterRows(
  client: ClientBase,
  text: RowText,
  part: SnapshotPart,
  position: bigint,
): Promise<Violation> {
  return violationOf(
    `${text.table.name} of ${part.schema} know nothing later than the position`,
    await keysWhere(client, text, part.schema, `t.log_position > ${position}`),
  );
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
