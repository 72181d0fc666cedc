import { Pool, type PoolClient } from 'pg';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { untilAvailable } from '../../../../apps/shared/postgres/retry';
import { assertSafe, UnsafeDatabase } from '../../../../apps/shared/postgres/self-check';
import { inTransaction, withTenant } from '../../../../apps/shared/postgres/transaction';
import { isTransient } from '../../../../apps/shared/postgres/transient-error';
import {
  queryAsSuperuser,
  startTestPostgres,
  terminateSessions,
  type TestPostgres,
} from '../../../support/postgres';

const tenant = '0190a000-0000-7000-8000-00000000000a';
const otherTenant = '0190a000-0000-7000-8000-00000000000b';

let postgres: TestPostgres;
const pools: Pool[] = [];

function pool(url: string, options: Partial<Parameters<typeof createPool>[1]> = {}): Pool {
  const created = createPool(url, {
    applicationName: 'test',
    maxConnections: 2,
    statementTimeoutMs: 5_000,
    queryTimeoutMs: 5_000,
    connectionTimeoutMs: 1_000,
    ...options,
  });
  pools.push(created);
  return created;
}

beforeAll(async () => {
  postgres = await startTestPostgres();
});
afterEach(async () => {
  await Promise.all(pools.splice(0).map((each) => each.end()));
});
afterAll(() => postgres.stop());

describe('migrate', () => {
  it('gives every generation its own schema, once, even when two callers begin together', async () => {
    const url = await postgres.createDatabase();
    const [first, second] = await Promise.all([
      migrate(url, 'oltp', { schema: 'g1' }),
      migrate(url, 'oltp', { schema: 'g1' }),
    ]);
    expect([...first, ...second].filter((name) => name === 'generation/0001_lanes')).toHaveLength(1);
    expect(await migrate(url, 'oltp', { schema: 'g1' })).toEqual([]);
    await migrate(url, 'oltp', { schema: 'g2' });
    const schemas = await queryAsSuperuser(
      url,
      `select schemaname as schema from pg_tables where tablename = 'conversations' order by 1`,
    );
    expect(schemas).toEqual([{ schema: 'g1' }, { schema: 'g2' }]);
  });

  it('marks lanes that took in events before sums of them were kept, and no others', async () => {
    const url = await postgres.createDatabase();
    const schemas = ['before', 'fresh', 'after'];
    for (const schema of schemas) {
      await migrate(url, 'generation', { schema });
      await queryAsSuperuser(url, `alter table ${schema}.checkpoints drop column is_summed`);
      await queryAsSuperuser(
        url,
        `delete from ${schema}.migrations_generation where name = '0008_summed_lanes'`,
      );
      // The lane of `fresh` has taken in nothing yet.
      await queryAsSuperuser(
        url,
        `insert into ${schema}.checkpoints (lane, slot_from, slot_to, commit_position) values (0, 0, 4095, $1)`,
        [schema === 'fresh' ? null : 100],
      );
    }
    for (const schema of ['before', 'fresh'])
      await queryAsSuperuser(
        url,
        `update ${schema}.migrations_generation set run_on = run_on - interval '1 day' where name = '0001_lanes'`,
      );
    for (const schema of schemas)
      expect(await migrate(url, 'generation', { schema })).toEqual(['generation/0008_summed_lanes']);
    const marked = await queryAsSuperuser(
      url,
      schemas
        .map((schema) => `select '${schema}' as schema, is_summed as summed from ${schema}.checkpoints`)
        .join(' union all '),
    );
    expect(marked).toEqual([
      { schema: 'before', summed: false },
      { schema: 'fresh', summed: true },
      { schema: 'after', summed: true },
    ]);
  });

  it.each(['control', 'keys', 'oltp', 'content', 'olap', 'queue'] as const)(
    'knows the kind %s',
    async (kind) => {
      const url = await postgres.createDatabase();
      expect(await migrate(url, kind, { schema: 'fresh' })).toContainEqual(expect.stringContaining('/0001_'));
    },
  );
});

describe('tenant isolation', () => {
  let url: string;
  beforeAll(async () => {
    url = await postgres.createDatabase();
    await migrate(url, 'oltp', { schema: 'g1' });
    const writer = pool(url, { role: 'mailfold_projector', searchPath: 'g1' });
    await inTransaction(writer, async (client) => {
      await client.query(`select set_config('app.tenant_ids', $1, true)`, [`{${tenant},${otherTenant}}`]);
      for (const id of [tenant, otherTenant]) {
        await client.query(`insert into tenants values ($1, 1, 'name', 'UTC', now(), 1)`, [id]);
      }
    });
  });

  const tenantsSeen = async (client: Pool | PoolClient): Promise<string[]> =>
    (await client.query<{ tenant_id: string }>('select tenant_id from tenants')).rows.map(
      (row) => row.tenant_id,
    );

  it('shows a reader the rows of one tenant inside withTenant, and none outside', async () => {
    const reader = pool(url, { role: 'mailfold_reader', searchPath: 'g1', maxConnections: 1 });
    expect(await withTenant(reader, tenant, tenantsSeen, { readOnly: true })).toEqual([tenant]);
    expect(await tenantsSeen(reader)).toEqual([]);
    expect(await withTenant(reader, otherTenant, tenantsSeen)).toEqual([otherTenant]);
  });

  it('survives an error, a hostile tenant id and a swallowed failure without leaking a session', async () => {
    const reader = pool(url, { role: 'mailfold_reader', searchPath: 'g1', maxConnections: 1 });
    const failing = withTenant(reader, tenant, async (client) => client.query('select 1/0'));
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    const swallowing = inTransaction(reader, async (client) =>
      client.query('select 1/0').catch(() => 'ignored'),
    );
    await expect(swallowing).rejects.toThrow(/rolled back/);
    const hostile = withTenant(
      reader,
      `x', true); select set_config('app.tenant_id', '${tenant}`,
      tenantsSeen,
    );
    await expect(hostile).rejects.toMatchObject({ code: '22P02' });
    expect(await tenantsSeen(reader)).toEqual([]);
    expect(await withTenant(reader, tenant, tenantsSeen)).toEqual([tenant]);
  });

  it('refuses a superuser, an unprotected table and lost durability at start-up', async () => {
    const reader = pool(url, { role: 'mailfold_reader', searchPath: 'g1' });
    await expect(assertSafe(reader, ['g1'])).resolves.toBeUndefined();
    await queryAsSuperuser(url, 'create table g1.forgotten (tenant_id uuid)');
    await expect(assertSafe(reader, ['g1'])).rejects.toThrow(
      'table forgotten lacks forced row-level security',
    );
    await queryAsSuperuser(url, 'drop table g1.forgotten');
    const [database] = await queryAsSuperuser<{ name: string }>(url, 'select current_database() as name');
    await queryAsSuperuser(url, `alter database ${database?.name} set synchronous_commit = off`);
    const superuser = assertSafe(pool(url), ['g1']);
    await expect(superuser).rejects.toThrow(UnsafeDatabase);
    await expect(superuser).rejects.toThrow(/superuser.*synchronous_commit is off/);
    await queryAsSuperuser(url, `alter database ${database?.name} reset synchronous_commit`);
  });
});

describe('a pool', () => {
  it('gives every session the same settings whatever the server says', async () => {
    const url = await postgres.createDatabase();
    const session = pool(url, { role: 'pg_monitor', searchPath: 'g7' });
    const { rows } = await session.query(
      `select current_user, current_setting('TimeZone') as zone, current_setting('search_path') as path`,
    );
    expect(rows).toEqual([{ current_user: 'pg_monitor', zone: 'UTC', path: 'g7' }]);
    expect(() => pool(url, { role: 'x -c fsync=off' })).toThrow(/identifier/);
  });

  it('outlives a connection killed in mid-transaction: the caller gets a transient error, the next one a new session', async () => {
    const lost: Error[] = [];
    const url = await postgres.createDatabase();
    const one = pool(url, { maxConnections: 1, onConnectionLost: (error) => lost.push(error) });
    const error: unknown = await inTransaction(one, async (client) => {
      await terminateSessions(url);
      return client.query('select 1');
    }).catch((reason: unknown) => reason);
    expect(isTransient(error)).toBe(true);
    expect((await one.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
    expect(lost.length).toBeGreaterThan(0);
  });

  it('ends a query on a frozen server by its own clock, and does not hand that session out again (F7)', async () => {
    const url = await postgres.createDatabase();
    const one = pool(url, { maxConnections: 1, queryTimeoutMs: 500 });
    let backendPid = 0;
    const startedAt = Date.now();
    const frozen = inTransaction(one, async (client) => {
      const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
      backendPid = rows[0]?.pid ?? 0;
      process.kill(backendPid, 'SIGSTOP');
      return client.query('select 1');
    });
    await expect(frozen).rejects.toThrow('Query read timeout');
    expect(Date.now() - startedAt).toBeLessThan(2_000);
    const { rows } = await one.query<{ pid: number }>('select pg_backend_pid() as pid');
    expect(rows[0]?.pid).not.toBe(backendPid);
    process.kill(backendPid, 'SIGCONT');
  });

  it('refuses within the connection timeout when all its connections are taken (F8)', async () => {
    const one = pool(await postgres.createDatabase(), { maxConnections: 1, connectionTimeoutMs: 200 });
    const client = await one.connect();
    const error: unknown = await one.query('select 1').catch((reason: unknown) => reason);
    client.release();
    expect(isTransient(error)).toBe(true);
    expect((await one.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  });
});

describe('untilAvailable', () => {
  it('bridges a crash of the server without losing a committed row', async () => {
    const url = await postgres.createDatabase();
    const one = pool(url);
    await one.query('create table kept (n integer)');
    await one.query('insert into kept values (1)');
    const exited = new Promise<void>((done) => postgres.server.onExit(done));
    process.kill(postgres.server.pid, 'SIGKILL');
    const restarted = exited.then(() => postgres.server.restart());
    const { rows } = await untilAvailable(() => one.query('select n from kept'), { delayMaxMs: 200 });
    await restarted;
    expect(rows).toEqual([{ n: 1 }]);
  });

  it('throws what no retry can heal at once', async () => {
    const one = pool(await postgres.createDatabase());
    let calls = 0;
    const wrong = untilAvailable(() => {
      calls += 1;
      return one.query('select nonsense');
    });
    await expect(wrong).rejects.toMatchObject({ code: '42703' });
    expect(calls).toBe(1);
  });
});
