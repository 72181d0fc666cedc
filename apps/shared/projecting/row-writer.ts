import { DatabaseError, type ClientBase } from 'pg';
import type { AnyTable, ColumnType, RowOperation } from '../../../projections/projection';
import { change, FoldFailed, HeldRows, type HeldRow } from './held-rows';

/** A row operation with the position of the event it comes from. */
export interface PositionedOperation {
  readonly position: bigint;
  readonly operation: RowOperation;
}

/**
 * Whether the events themselves are to blame, so that no later try can succeed: a fold that threw, a value PostgreSQL
 * does not take (SQLSTATE 22, 23, 54), a row of another tenant. Anything else, a timeout or a missing table, is the
 * surroundings' fault and must never park anything.
 */
export function isPoison(error: unknown): boolean {
  if (!(error instanceof DatabaseError)) return error instanceof FoldFailed;
  return /^(22|23|54)/.test(error.code ?? '') || /row-level security/.test(error.message);
}

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
  const held = new HeldRows();
  let round = operations;
  // What follows from a change is known only once it is folded, and may itself be followed by more.
  while (round.length > 0) {
    await holdRows(client, schema, held, round);
    round = round.flatMap((positioned) => applyTo(held, positioned));
  }
  for (const table of held.tables) {
    const changed = [...held.of(table)].filter(({ before, after }) => before !== after);
    await deleteRows(client, schema, table, changed);
    await upsertRows(client, schema, table, changed);
  }
}

function applyTo(held: HeldRows, { position, operation }: PositionedOperation): PositionedOperation[] {
  const row = held.find(operation);
  if (row === undefined) throw new Error(`A row of ${operation.table.name} was not loaded before its fold`);
  return change(row, operation, position).map((next) => ({ position, operation: next }));
}

async function holdRows(
  client: ClientBase,
  schema: string,
  held: HeldRows,
  operations: readonly PositionedOperation[],
): Promise<void> {
  const missing = new Map<AnyTable, HeldRow[]>();
  for (const { operation } of operations) {
    if (held.find(operation) !== undefined) continue;
    const ofTable = missing.get(operation.table) ?? [];
    ofTable.push(held.hold(operation));
    missing.set(operation.table, ofTable);
  }
  for (const [table, rows] of missing) {
    const stored = await selectRows(client, schema, table, rows);
    for (const [index, row] of rows.entries()) row.before = row.after = stored.get(index) ?? null;
  }
}

/** Found rows by their index in `wanted`, in the form the folds know (projections/projection.ts, ColumnType). */
async function selectRows(
  client: ClientBase,
  schema: string,
  table: AnyTable,
  wanted: readonly HeldRow[],
): Promise<Map<number, object>> {
  const columns = Object.entries(table.columns).map(([name, type]) => `${selected(name, type)} as "${name}"`);
  const { rows } = await client.query<{ __n: string } & Record<string, unknown>>(
    `select k.n::int as "__n"${['', ...columns].join(', ')}
     from ${unnestedKeys(table)} join ${schema}.${table.name} t on ${keysMatch(table)}`,
    keyArrays(table, wanted),
  );
  return new Map(rows.map(({ __n, ...row }) => [Number(__n) - 1, row]));
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

/** Of its primary key in the database, in their order. */
export function keyColumns({ primaryKey, isKeyedBySlot }: AnyTable): string[] {
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

function keyArrays({ primaryKey }: AnyTable, places: readonly HeldRow[]): unknown[][] {
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
