import { Pool } from 'pg';
import {
  extendHistory,
  hasHistory,
  historyPeriodOf,
  makeHistoryPartitions,
  setHistoryPeriod,
  strayHistoryRows,
} from '../../../../apps/shared/partitions/history-partitions';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { inTransaction } from '../../../../apps/shared/postgres/transaction';
import { assertSafe } from '../../../../apps/shared/postgres/self-check';
import { dailyAnalyticsTable } from '../../../../projections/olap/daily-analytics.projection';
import { projectionTiers, tablesOf } from '../../../../projections/tiers';
import { queryAsSuperuser, startTestPostgres, type TestPostgres } from '../../../support/postgres';
import { idOf } from '../../../support/recorded-log';

const tenantId = idOf('tenant');
let postgres: TestPostgres;
/** Of an owner that is no superuser: row-level security binds it. */
let url: string;
let superuserUrl: string;
let owner: Pool;
let projector: Pool;
let schemas = 0;

beforeAll(async () => {
  postgres = await startTestPostgres();
  superuserUrl = await postgres.createDatabase();
  await migrate(superuserUrl, 'generation', { schema: 'roles' });
  await queryAsSuperuser(
    superuserUrl,
    `create role tier_owner login nosuperuser nobypassrls createrole;
     grant mailfold_projector, mailfold_reader, mailfold_auditor to tier_owner with admin true, inherit false;
     grant create on database test_1 to tier_owner`,
  );
  url = superuserUrl.replace('user=postgres', 'user=tier_owner');
  const bounds = {
    ...{ applicationName: 'test', maxConnections: 4, statementTimeoutMs: 10_000 },
    ...{ queryTimeoutMs: 11_000, connectionTimeoutMs: 5_000 },
  };
  owner = createPool(url, bounds);
  projector = createPool(url, { ...bounds, role: 'mailfold_projector' });
});
afterAll(async () => {
  await owner?.end();
  await projector?.end();
  await postgres?.stop();
});

async function newSchema(): Promise<string> {
  const schema = `g${(schemas += 1)}`;
  await migrate(url, 'olap', { schema });
  return schema;
}

async function write(schema: string, days: readonly string[]): Promise<void> {
  await inTransaction(projector, async (client) => {
    await client.query(`select set_config('app.tenant_ids', $1, true)`, [`{${tenantId}}`]);
    await client.query(
      `insert into ${schema}.daily_analytics
       select $1, day, $2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7 from unnest($3::date[]) as day`,
      [tenantId, idOf('mailbox'), days],
    );
  });
}

/** Such as `2026-03-05 daily_analytics_p20260301`. */
async function whereRowsLie(schema: string): Promise<string[]> {
  const rows = await queryAsSuperuser<{ place: string }>(
    superuserUrl,
    `select day || ' ' || replace(tableoid::regclass::text, '${schema}.', '') as place
     from ${schema}.daily_analytics order by day`,
  );
  return rows.map(({ place }) => place);
}

async function partitionsOf(schema: string): Promise<string[]> {
  const rows = await queryAsSuperuser<{ name: string }>(
    superuserUrl,
    `select inhrelid::regclass::text as name from pg_inherits
     where inhparent = '${schema}.daily_analytics'::regclass order by 1`,
  );
  return rows.map(({ name }) => name.replace(`${schema}.`, ''));
}

test('the tables that say so are partitioned by that column, and no others', async () => {
  for (const [number, tier] of projectionTiers.entries()) {
    const schema = `kinds${number}`;
    await migrate(url, tier.tier, { schema });
    const partitioned = await queryAsSuperuser<{ name: string }>(
      superuserUrl,
      `select c.relname || ' by ' || a.attname as name from pg_partitioned_table p join pg_class c on c.oid = p.partrelid
       join pg_attribute a on a.attrelid = c.oid and a.attnum = p.partattrs[0]
       where c.relnamespace = '${schema}'::regnamespace order by 1`,
    );
    const declared = tablesOf(tier).flatMap(({ name, partitionedBy }) =>
      partitionedBy === undefined ? [] : [`${name} by ${partitionedBy}`],
    );
    expect(partitioned.map(({ name }) => name)).toEqual(declared.sort());
    expect(hasHistory(tier)).toBe(declared.length > 0);
  }
});

test('a generation that serves keeps its rows when its table is partitioned', async () => {
  const schema = await newSchema();
  await queryAsSuperuser(
    superuserUrl,
    // What the first migration alone had made, with the rows of such a time.
    `set search_path = ${schema};
     drop table daily_analytics; delete from history_partitions; delete from migrations_olap where name like '0002%';
     set role tier_owner;
     create table daily_analytics (
       tenant_id uuid not null, day date not null, email_account_id uuid not null, slot smallint not null,
       messages_received integer not null, messages_sent integer not null, bounces_received integer not null,
       auto_replies_received integer not null, messages_parked integer not null, bytes_received bigint not null,
       conversations_opened integer not null, conversations_resolved integer not null, conversations_merged integer not null,
       notes_added integer not null, assignments integer not null, log_position bigint not null,
       primary key (tenant_id, day, email_account_id));
     call protect_tenant_rows('daily_analytics')`,
  );
  await write(schema, ['2024-02-29', '2026-03-05', '0050-01-01']);
  await migrate(url, 'olap', { schema });
  expect(await whereRowsLie(schema)).toEqual([
    ...['0050-01-01 daily_analytics_default', '2024-02-29 daily_analytics_p20240201'],
    '2026-03-05 daily_analytics_p20260301',
  ]);
  await assertSafe(projector, [schema]);
});

test('partitions are there for the present and for the next three months', async () => {
  const schema = await newSchema();
  const [months] = await queryAsSuperuser<{ names: string[] }>(
    superuserUrl,
    `select array_agg('daily_analytics_p' || to_char(m, 'YYYYMMDD') order by m) as names
     from generate_series(date_trunc('month', current_date), current_date + interval '3 months', '1 month') m`,
  );
  expect(await partitionsOf(schema)).toEqual(['daily_analytics_default', ...(months?.names ?? [])]);
  expect(await extendHistory(projector, schema)).toEqual([]);
});

test('rows that came before their partition are moved into it, and only what nobody can have meant stays an alarm', async () => {
  const schema = await newSchema();
  await write(schema, ['2024-02-29', '2024-03-01', '2026-03-05', '3026-03-05']);
  expect(await strayHistoryRows(projector, schema)).toBe(4);
  expect(await extendHistory(projector, schema)).toEqual([
    ...['daily_analytics_p20240201', 'daily_analytics_p20240301', 'daily_analytics_p20260301'],
  ]);
  expect(await whereRowsLie(schema)).toEqual([
    ...['2024-02-29 daily_analytics_p20240201', '2024-03-01 daily_analytics_p20240301'],
    ...['2026-03-05 daily_analytics_p20260301', '3026-03-05 daily_analytics_default'],
  ]);
  expect(await strayHistoryRows(projector, schema)).toBe(1);
  await assertSafe(projector, [schema]);
});

test('two maintenances and a writer at once lose nothing and disturb nobody', async () => {
  const schema = await newSchema();
  const days = Array.from({ length: 60 }, (_, n) => `20${10 + (n % 12)}-0${1 + (n % 9)}-1${n % 10}`);
  const distinct = [...new Set(days)];
  await write(schema, distinct.slice(0, 20));
  const writing = (async () => {
    for (const day of distinct.slice(20)) await write(schema, [day]);
  })();
  await Promise.all([extendHistory(projector, schema), extendHistory(owner, schema), writing]);
  await extendHistory(projector, schema);
  const places = await whereRowsLie(schema);
  expect(places).toHaveLength(distinct.length);
  expect(places.filter((place) => place.endsWith('_default'))).toEqual([]);
});

test('a table in use for long is left for the next time, and its readers wait for no maintenance', async () => {
  const schema = await newSchema();
  await write(schema, ['2024-02-29']);
  const user = await owner.connect();
  await user.query('begin');
  await user.query(`lock table ${schema}.daily_analytics in access share mode`);
  const extending = extendHistory(projector, schema);
  await expect(owner.query(`select 1 from ${schema}.daily_analytics`)).resolves.toMatchObject({ rows: [] });
  expect(await extending).toEqual([]);
  await user.query('rollback');
  user.release();
  expect(await extendHistory(projector, schema)).toEqual(['daily_analytics_p20240201']);
});

test('a fresh generation takes weeks for months, one that holds rows does not', async () => {
  const schema = await newSchema();
  expect(await historyPeriodOf(projector, schema)).toBe('month');
  await setHistoryPeriod(owner, schema, 'week');
  expect(await historyPeriodOf(projector, schema)).toBe('week');
  await makeHistoryPartitions(projector, schema, dailyAnalyticsTable, [
    '2026-03-01',
    '2026-03-02',
    '3026-03-02',
  ]);
  await write(schema, ['2026-03-01', '2026-03-02', '2026-03-08']);
  expect(await whereRowsLie(schema)).toEqual([
    ...['2026-03-01 daily_analytics_p20260223', '2026-03-02 daily_analytics_p20260302'],
    '2026-03-08 daily_analytics_p20260302',
  ]);
  await expect(setHistoryPeriod(owner, schema, 'month')).rejects.toThrow('holds rows already');
  expect(await historyPeriodOf(projector, schema)).toBe('week');
});

test('a reader of some days opens the partitions of these days only, also by a prepared plan', async () => {
  const schema = await newSchema();
  await makeHistoryPartitions(owner, schema, dailyAnalyticsTable, ['2026-01-05', '2026-02-05', '2026-03-05']);
  await write(schema, ['2026-01-05', '2026-02-05', '2026-03-05']);
  for (const mode of ['force_custom_plan', 'force_generic_plan']) {
    const client = await owner.connect();
    try {
      await client.query(`set plan_cache_mode = ${mode}`);
      await client.query(`set role mailfold_reader`);
      await client.query(`select set_config('app.tenant_id', $1, false)`, [tenantId]);
      await client.query(
        `prepare days (uuid, date, date) as
         select day from ${schema}.daily_analytics where tenant_id = $1 and day between $2 and $3`,
      );
      const days = `execute days ('${tenantId}', '2026-02-01', '2026-02-20')`;
      const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain ${days}`);
      const scanned = rows.flatMap((row) => /daily_analytics_\w+/.exec(row['QUERY PLAN'])?.[0] ?? []);
      expect(new Set(scanned.map((name) => name.slice(0, 'daily_analytics_p20260201'.length)))).toEqual(
        new Set(['daily_analytics_p20260201']),
      );
      expect((await client.query(days)).rows).toHaveLength(1);
    } finally {
      client.release(true);
    }
  }
});
