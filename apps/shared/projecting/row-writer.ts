import { DatabaseError, type ClientBase } from 'pg';
import type { AnyTable, ColumnType, RowChange, RowOperation } from '../../../projections/projection';

/** A row operation with the position of the event it comes from. */
export interface PositionedOperation {
  readonly position: bigint;
  readonly operation: RowOperation;
}

/** A projection threw: it will do so for this event every time. */
class FoldFailed extends Error {}

/**
 * Whether the events themselves are to blame, so that no later try can succeed: a fold that threw, a value PostgreSQL
 * does not take (SQLSTATE 22, 23, 54), a row of another tenant. Anything else, a timeout or a missing table, is the
 * surroundings' fault and must never park anything.
 */
export function isPoison(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return error instanceof FoldFailed;
  return /^(22|23|54)/.test(error.code ?? '') || /row-level security/.test(error.message);
}

interface HeldRow {
  readonly tenantId: string;
  readonly slot: number;
  readonly key: readonly (string | number)[];
  readonly before: object | null;
  after: object | null;
  /** Of the last event that changed it. */
  position: bigint;
}

type HeldTable = Map<string, HeldRow>;

/**
 * Applies `operations`, which are in log order, to the tables of `schema`: the rows they address are loaded with one
 * SELECT per table, folded in memory, and what has changed is written with one INSERT and one DELETE per table.
 * Runs in the caller's transaction, which has named its tenants (`app.tenant_ids`). Errors are those of the folds and of
 * PostgreSQL; nothing is kept between calls.
 */
export async function applyOperations(
  client: ClientBase,
  schema: string,
  operations: readonly PositionedOperation[],
): Promise<void> {
  const held = new Map<AnyTable, HeldTable>();
  let round = operations;
  // What follows from a change is known only once it is folded, and may itself be followed by more.
  while (round.length > 0) {
    await holdRows(client, schema, held, round);
    round = round.flatMap((positioned) => applyTo(held, positioned));
  }
  for (const [table, rows] of held) {
    const changed = [...rows.values()].filter(({ before, after }) => before !== after);
    await deleteRows(client, schema, table, changed);
    await upsertRows(client, schema, table, changed);
  }
}

function applyTo(
  held: ReadonlyMap<AnyTable, HeldTable>,
  { position, operation }: PositionedOperation,
): PositionedOperation[] {
  const { table, tenantId, slot } = operation;
  const row = held.get(table)?.get(identity(operation));
  if (row === undefined) throw new Error(`A row of ${table.name} was not loaded before its fold`);
  const before = row.after;
  const after = folded(operation, before);
  if (after === before) return [];
  row.after = after;
  row.position = position;
  // `RowChange<never>` stands for the table's own row type, which only its projection knows.
  const derived = table.derive?.({ tenantId, slot, before, after } as RowChange<never>) ?? [];
  return derived.map((next) => ({ position, operation: next }));
}

function folded({ fold }: RowOperation, before: object | null): object | null {
  try {
    return fold(before);
  } catch (error) {
    throw new FoldFailed(error instanceof Error ? error.message : String(error));
  }
}

function identity({ tenantId, slot, key }: Pick<RowOperation, 'tenantId' | 'slot' | 'key'>): string {
  return JSON.stringify([tenantId, slot, ...key]);
}

async function holdRows(
  client: ClientBase,
  schema: string,
  held: Map<AnyTable, HeldTable>,
  operations: readonly PositionedOperation[],
): Promise<void> {
  const missing = new Map<AnyTable, Map<string, RowOperation>>();
  for (const { operation } of operations) {
    const id = identity(operation);
    if (held.get(operation.table)?.has(id)) continue;
    const ofTable = missing.get(operation.table) ?? new Map<string, RowOperation>();
    missing.set(operation.table, ofTable.set(id, operation));
  }
  for (const [table, wanted] of missing) {
    const stored = await selectRows(client, schema, table, [...wanted.values()]);
    const rows: HeldTable = held.get(table) ?? new Map<string, HeldRow>();
    held.set(table, rows);
    for (const [id, { tenantId, slot, key }] of wanted) {
      const before = stored.get(id) ?? null;
      rows.set(id, { tenantId, slot, key, before, after: before, position: 0n });
    }
  }
}

/** Found rows by their identity, in the form the folds know (projections/projection.ts, ColumnType). */
async function selectRows(
  client: ClientBase,
  schema: string,
  table: AnyTable,
  wanted: readonly Pick<RowOperation, 'tenantId' | 'slot' | 'key'>[],
): Promise<Map<string, object>> {
  const columns = Object.entries(table.columns).map(([name, type]) => `${selected(name, type)} as "${name}"`);
  const { rows } = await client.query<{ __n: string } & Record<string, unknown>>(
    `select k.n::int as "__n"${['', ...columns].join(', ')}
     from ${unnestedKeys(table)} join ${schema}.${table.name} t on ${keysMatch(table)}`,
    keyArrays(table, wanted),
  );
  const found = new Map<string, object>();
  for (const { __n, ...row } of rows) {
    const place = wanted[Number(__n) - 1];
    if (place) found.set(identity(place), row);
  }
  return found;
}

async function deleteRows(
  client: ClientBase,
  schema: string,
  table: AnyTable,
  changed: readonly HeldRow[],
): Promise<void> {
  const gone = changed.filter(({ after }) => after === null);
  if (gone.length === 0) return;
  await client.query(
    `delete from ${schema}.${table.name} t using ${unnestedKeys(table)} where ${keysMatch(table)}`,
    keyArrays(table, gone),
  );
}

async function upsertRows(
  client: ClientBase,
  schema: string,
  table: AnyTable,
  changed: readonly HeldRow[],
): Promise<void> {
  const present = changed.flatMap((row) => (row.after === null ? [] : [{ ...row, after: row.after }]));
  if (present.length === 0) return;
  const columns = Object.entries(table.columns);
  const names = ['tenant_id', 'slot', 'log_position', ...columns.map(([name]) => name)];
  const arrays = ['uuid', 'smallint', 'bigint', ...columns.map(([, type]) => type)].map(
    (type, index) => `$${index + 1}::${type}[]`,
  );
  const assignments = names.map((name) => `"${name}" = excluded."${name}"`);
  await client.query(
    `insert into ${schema}.${table.name} as t (${names.map((name) => `"${name}"`).join(', ')})
     select * from unnest(${arrays.join(', ')})
     on conflict (${keyColumns(table).join(', ')}) do update set ${assignments.join(', ')}
     where excluded.log_position > t.log_position`,
    [
      present.map(({ tenantId }) => tenantId),
      present.map(({ slot }) => slot),
      present.map(({ position }) => position.toString()),
      ...columns.map(([name, type]) =>
        present.map(({ after }) => written((after as Record<string, unknown>)[name], type)),
      ),
    ],
  );
}

function keyColumns({ primaryKey, isKeyedBySlot }: AnyTable): string[] {
  return ['tenant_id', ...primaryKey, ...(isKeyedBySlot ? ['slot'] : [])];
}

function unnestedKeys({ primaryKey, columns }: AnyTable): string {
  const types = primaryKey.map((name) => columns[name] ?? 'text');
  const arrays = ['uuid', 'smallint', ...types].map((type, index) => `$${index + 1}::${type}[]`);
  const names = ['tenant_id', 'slot', ...primaryKey];
  return `unnest(${arrays.join(', ')}) with ordinality as k (${names.join(', ')}, n)`;
}

function keysMatch(table: AnyTable): string {
  return keyColumns(table)
    .map((name) => `t.${name} = k.${name}`)
    .join(' and ');
}

function keyArrays(
  { primaryKey }: AnyTable,
  places: readonly Pick<RowOperation, 'tenantId' | 'slot' | 'key'>[],
): unknown[][] {
  return [
    places.map(({ tenantId }) => tenantId),
    places.map(({ slot }) => slot),
    ...primaryKey.map((_, index) => places.map(({ key }) => key[index])),
  ];
}

/** A loaded row must equal the one that was folded, or the same events would give other rows after a restart. */
function selected(name: string, type: ColumnType): string {
  switch (type) {
    case 'timestamptz':
      return `to_char(t."${name}" at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
    case 'date':
      return `to_char(t."${name}", 'YYYY-MM-DD')`;
    case 'bigint':
      return `t."${name}"::float8`;
    case 'uuid':
    case 'text':
    case 'smallint':
    case 'integer':
    case 'boolean':
    case 'jsonb':
    case 'bytea':
      return `t."${name}"`;
  }
}

/** pg would take an array for one more dimension, and knows bytes as Buffer only. */
function written(value: unknown, type: ColumnType): unknown {
  if (value === null || value === undefined) return null;
  if (type === 'jsonb') return JSON.stringify(value);
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return value;
}
