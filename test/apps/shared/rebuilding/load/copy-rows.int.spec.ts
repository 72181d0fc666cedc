import fc from 'fast-check';
import type { Pool } from 'pg';
import { applyOperations } from '../../../../../apps/shared/projecting/row-writer';
import { createPool } from '../../../../../apps/shared/postgres/pool';
import { inTransaction } from '../../../../../apps/shared/postgres/transaction';
import { bareTables } from '../../../../../apps/shared/rebuilding/load/bare-tables';
import { CopyBuffer, copyRows } from '../../../../../apps/shared/rebuilding/load/copy-rows';
import { NotEncodable, type RowToCopy } from '../../../../../apps/shared/rebuilding/load/row-encoder';
import type { AnyTable } from '../../../../../projections/projection';
import { oltpTier } from '../../../../../projections/oltp';
import { queryAsSuperuser } from '../../../../support/postgres';
import { idOf } from '../../../../support/recorded-log';
import { startLoadedDatabase, tierOf, type LoadedDatabase } from './loaded-schema';

const columns = {
  id: 'uuid',
  a_text: 'text',
  a_uuid: 'uuid',
  a_smallint: 'smallint',
  an_integer: 'integer',
  a_bigint: 'bigint',
  a_boolean: 'boolean',
  a_time: 'timestamptz',
  a_date: 'date',
  a_jsonb: 'jsonb',
  a_bytea: 'bytea',
} as const;
const byCopy: AnyTable = { name: 'by_copy', primaryKey: ['id'], columns };
const byUpsert: AnyTable = { name: 'by_upsert', primaryKey: ['id'], columns };
const tenantId = idOf('tenant');

let database: LoadedDatabase;
let schema: string;
let projector: Pool;

beforeAll(async () => {
  database = await startLoadedDatabase();
  schema = await database.newSchema(oltpTier);
  const declared = Object.entries(columns).map(([name, type]) => `${name} ${type}`);
  for (const { name } of [byCopy, byUpsert])
    await queryAsSuperuser(
      database.ownerUrl,
      `set search_path = ${schema};
       create table ${name} (tenant_id uuid not null, slot smallint not null, log_position bigint not null,
         ${declared.join(', ')}, primary key (tenant_id, id));
       call protect_tenant_rows('${name}')`,
    );
  projector = createPool(database.url, {
    applicationName: 'test',
    maxConnections: 1,
    role: 'mailfold_projector',
    statementTimeoutMs: 10_000,
    queryTimeoutMs: 10_000,
    connectionTimeoutMs: 10_000,
  });
  await bareTables(database.owner, schema, tierOf(byCopy));
});
afterAll(async () => {
  await projector.end();
  await database.stop();
});

async function copied(rows: readonly RowToCopy[]): Promise<number> {
  return inTransaction(database.owner, (client) => copyRows(client, schema, byCopy, rows));
}

async function upserted(rows: readonly RowToCopy[]): Promise<void> {
  const operations = rows.map(({ position, slot, row }) => ({
    position,
    operation: { table: byUpsert, tenantId, slot, key: [(row as { id: string }).id], fold: () => row },
  }));
  await inTransaction(projector, async (client) => {
    await client.query(`select set_config('app.tenant_ids', $1, true)`, [`{${tenantId}}`]);
    await applyOperations(client, schema, operations);
  });
}

async function rowsOf({ name }: AnyTable): Promise<unknown[]> {
  return queryAsSuperuser(
    database.url,
    `select t::text as row from ${schema}.${name} t order by log_position`,
  );
}

async function emptied(): Promise<void> {
  await queryAsSuperuser(database.url, `truncate ${schema}.by_copy, ${schema}.by_upsert`);
}

const text = fc
  .oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[\t\n\r\\N"'{}, é😀]{0,50}$/))
  .map((value) => value.replaceAll('\0', ''));
const json = fc
  .jsonValue()
  .map((value) => JSON.parse(JSON.stringify(value).replaceAll('\\u0000', '')) as unknown);
const isoTime = fc
  .date({
    min: new Date('0001-01-01T00:00:00.000Z'),
    max: new Date('9999-12-31T23:59:59.999Z'),
    noInvalidDate: true,
  })
  .map((date) => date.toISOString());
const nullable = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(values, { freq: 8 });
const bytes = fc.oneof(
  fc.uint8Array(),
  fc.constantFrom(131_067, 131_072, 400_000).map((length) => new Uint8Array(length).fill(7)),
);
const fields = fc.record({
  a_text: nullable(text),
  a_uuid: nullable(fc.uuid().map((uuid) => (uuid.startsWith('0') ? uuid.toUpperCase() : uuid))),
  a_smallint: nullable(fc.integer({ min: -0x8000, max: 0x7fff })),
  an_integer: nullable(fc.integer()),
  a_bigint: nullable(fc.maxSafeInteger()),
  a_boolean: nullable(fc.boolean()),
  a_time: nullable(isoTime),
  a_date: nullable(isoTime.map((time) => time.slice(0, 10))),
  a_jsonb: nullable(json),
  a_bytea: nullable(bytes),
});

function rowOf(values: object, index: number): RowToCopy {
  const row = { id: idOf(`row ${index}`), ...values };
  return { tenantId, slot: index % 4096, position: BigInt(index) * 7_000_000_001n, row };
}

describe('rows written by COPY', () => {
  it('are those an upsert writes, whatever they hold', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fields, { maxLength: 20 }), async (values) => {
        await emptied();
        const rows = values.map(rowOf);
        expect(await copied(rows)).toBe(rows.length);
        await upserted(rows);
        expect(await rowsOf(byCopy)).toEqual(await rowsOf(byUpsert));
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    ['a_text', 'with \0'],
    ['a_text', 5],
    ['a_uuid', '{11111111-1111-4111-8111-111111111111}'],
    ['a_uuid', '11111111-1111-4111-8111-11111111111g'],
    ['a_uuid', '11111111x1111-4111-8111-111111111111'],
    ['a_smallint', 0x8000],
    ['an_integer', 1.5],
    ['an_integer', '5'],
    ['a_bigint', 2 ** 53],
    ['a_boolean', 'yes'],
    ['a_time', '2026-02-30T00:00:00.000Z'],
    ['a_time', '2026-02-28T00:00:00Z'],
    ['a_time', '2026-02-28T00:00:60.000Z'],
    ['a_time', '2026-02-28T00:00:0x.000Z'],
    ['a_time', '2026-02-28 00:00:00.000+02'],
    ['a_date', '0000-01-01'],
    ['a_date', '2025-02-29'],
    ['a_date', '2026-02-28T'],
    ['a_jsonb', { text: 'with \0' }],
    ['a_bytea', '\\x00'],
  ])('are refused rather than changed: %s %j', async (column, value) => {
    await emptied();
    const refusal = await copied([rowOf({ [column]: value }, 1)]).then(
      () => 'accepted',
      (error: unknown) =>
        error instanceof NotEncodable ? 'not encodable' : (error as { code: string }).code,
    );
    expect(refusal).toMatch(/^(not encodable|22...)$/);
    // The connection is as good as before.
    expect(await copied([rowOf({}, 2)])).toBe(1);
  });

  it('may come mixed and be sent table by table', async () => {
    await emptied();
    const buffer = new CopyBuffer();
    const rows = Array.from({ length: 500 }, (_, index) => rowOf({ a_text: 'x'.repeat(index * 3) }, index));
    for (const row of rows) buffer.add(byCopy, row);
    expect(buffer.bytes).toBeGreaterThan(300_000);
    expect(await inTransaction(database.owner, (client) => buffer.send(client, schema))).toEqual({
      by_copy: 500,
    });
    expect(buffer.bytes).toBe(0);
    await upserted(rows);
    expect(await rowsOf(byCopy)).toEqual(await rowsOf(byUpsert));
  });
});
