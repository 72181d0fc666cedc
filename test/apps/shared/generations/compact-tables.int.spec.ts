import { Client, type Pool } from 'pg';
import { compactTables } from '../../../../apps/shared/generations/compact-tables';
import { deleteRows } from '../../../../apps/shared/generations/delete-rows';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { loaderPool } from '../../../../apps/shared/rebuilding/load/loader-pool';
import { queryAsSuperuser, startTestPostgres, type TestPostgres } from '../../../support/postgres';

const { signal } = new AbortController();
const tables = ['things'];
const tenantId = '11111111-1111-4111-8111-111111111111';
const rowCount = 60_000;
let postgres: TestPostgres;
let url: string;
let owner: Pool;

beforeAll(async () => {
  postgres = await startTestPostgres({ fsync: 'off' });
  url = await postgres.createDatabase();
  await migrate(url, 'oltp', { schema: 'g1' });
  owner = loaderPool(url, 3);
});
afterAll(async () => {
  await owner?.end();
  await postgres?.stop();
});

/** 60,000 rows of 300 bytes, their slots spread over the whole file. */
beforeEach(async () => {
  await queryAsSuperuser(url, 'drop table if exists g1.things');
  await queryAsSuperuser(
    url,
    `create table g1.things (tenant_id uuid, slot smallint, id int, body text, log_position bigint not null,
       primary key (tenant_id, id))`,
  );
  await queryAsSuperuser(url, 'create index on g1.things (slot)');
  await queryAsSuperuser(
    url,
    `insert into g1.things select '${tenantId}', n * 7919 % 4096, n, repeat('x', 300), n from generate_series(1, ${rowCount}) n`,
  );
  await queryAsSuperuser(url, `set search_path = g1; call protect_tenant_rows('things'); analyze things`);
}, 30_000);

const sizes = async (): Promise<{ heap: number; indexes: number }> => {
  const [row] = await queryAsSuperuser<{ heap: string; indexes: string }>(
    url,
    `select pg_relation_size('g1.things') as heap, pg_indexes_size('g1.things') as indexes`,
  );
  return { heap: Number(row?.heap), indexes: Number(row?.indexes) };
};
const remaining = async (): Promise<string> => {
  const [row] = await queryAsSuperuser<{ text: string }>(
    url,
    `select count(*) || ' ' || sum(hashtextextended(t::text, 0)) as text from g1.things t where slot >= 1024`,
  );
  return row?.text ?? '';
};
const shedQuarter = (): Promise<number> =>
  deleteRows({ owner, schema: 'g1', tables, where: 'slot < 1024', signal });

test('VACUUM alone gives nothing back of rows that lay everywhere; compacting gives back their share, and no row changes', async () => {
  const full = await sizes();
  const rows = await remaining();
  expect(await shedQuarter()).toBeGreaterThan(rowCount / 5);
  expect((await sizes()).heap).toBe(full.heap);
  const given = await compactTables({ owner, schema: 'g1', tables, signal });
  const after = await sizes();
  expect(given).toBeGreaterThan(0);
  expect(after.heap / full.heap).toBeLessThan(0.8);
  expect(after.indexes).toBeLessThan(full.indexes);
  expect(await remaining()).toBe(rows);
}, 60_000);

test('there is nothing to give back of a full table, nor of a small one', async () => {
  const full = await sizes();
  await compactTables({ owner, schema: 'g1', tables, signal });
  // What was tried and taken back; VACUUM leaves less than a sixteenth where it is.
  expect((await sizes()).heap / full.heap).toBeLessThan(1.05);
  expect(await compactTables({ owner, schema: 'g1', tables: ['conversations'], signal })).toBe(0);
}, 60_000);

test('a writer that has rows in hand is not waited for; what it writes stays, and the room comes back once it is done', async () => {
  await shedQuarter();
  const full = await sizes();
  const writer = new Client({ connectionString: url });
  await writer.connect();
  await writer.query('begin');
  const { rowCount: held } = await writer.query(
    `update g1.things set body = 'held' where id in (59998, 59999, 60000) and slot >= 1024`,
  );
  // Resolves while the writer is open: nothing waits for its rows.
  await compactTables({ owner, schema: 'g1', tables, signal });
  await writer.query('commit');
  await writer.end();
  await compactTables({ owner, schema: 'g1', tables, signal });
  expect((await sizes()).heap / full.heap).toBeLessThan(0.8);
  expect(held).toBeGreaterThan(0);
  expect(await queryAsSuperuser(url, `select id from g1.things where body = 'held'`)).toHaveLength(held ?? 0);
}, 60_000);

test('killed while an index is built anew, the next call drops what is left of it', async () => {
  await shedQuarter();
  await compactTables({ owner, schema: 'g1', tables, signal });
  await queryAsSuperuser(
    url,
    `update pg_index set indisvalid = false where indexrelid = 'g1.things_slot_idx'::regclass`,
  );
  await queryAsSuperuser(url, `delete from g1.things where slot < 2048`);
  await queryAsSuperuser(url, 'vacuum g1.things');
  await compactTables({ owner, schema: 'g1', tables, signal });
  const indexes = await queryAsSuperuser(
    url,
    `select indexrelid from pg_index where indrelid = 'g1.things'::regclass`,
  );
  expect(indexes).toHaveLength(1);
}, 60_000);
