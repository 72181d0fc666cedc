import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Client } from 'pg';
import { loadDevEnvironment } from '../../apps/shared/config/dev-environment';
import { eventually } from '../support/eventually';
import { queryAsSuperuser } from '../support/postgres';
import { samplePath } from '../../apps/dev/demo-sample';
import { mailfold, type MailfoldRun } from './mailfold-process';
import { WholeSystem } from './whole-system';

/** On one running system; each test finds it as the one before has left it. */
describe('mailfold beside a running system', () => {
  let system: WholeSystem;
  let urls: Record<string, string>;

  beforeAll(async () => {
    system = await WholeSystem.start();
    const env: NodeJS.ProcessEnv = {};
    loadDevEnvironment(system.dataDir, env);
    urls = env as Record<string, string>;
    const mailboxId = await system.createMailbox();
    const run = await mailfold(['import', samplePath(), '--mailbox', mailboxId], {
      env: system.cliEnvironment,
    });
    expect(run).toMatchObject({ exitCode: 0 });
    await system.conversationsOf(mailboxId, String(run.records.at(-1)?.['position']));
  });
  afterAll(() => system?.stop(), 30_000);

  const run = (...args: string[]): Promise<MailfoldRun> => mailfold(args, { env: system.cliEnvironment });
  const oltp = (sql: string): Promise<object[]> => queryAsSuperuser(urls['OLTP_DATABASE_URL'] ?? '', sql);
  const stateOf = async (generation: number): Promise<unknown> => {
    const rows = await queryAsSuperuser<{ state: string }>(
      urls['CONTROL_DATABASE_URL'] ?? '',
      `select state from generations where tier = 'oltp' and generation = ${generation}`,
    );
    return rows[0]?.state;
  };

  it('shows every part with its position, lag and rows', async () => {
    await eventually(async () => {
      const { exitCode, records } = await run('status');
      expect(exitCode).toBe(0);
      expect(records).toEqual([
        expect.objectContaining({
          log: { reachable: true, head: expect.stringMatching(/^\d+$/) },
          queryApi: { reachable: true, cache: expect.stringMatching(/^(redis|memory)$/) },
          tiers: {
            oltp: {
              reachable: true,
              generations: [expect.objectContaining({ generation: 1, isLive: true, lagEvents: 0 })],
            },
            content: {
              reachable: true,
              generations: [expect.objectContaining({ lagEvents: 0, parkedEvents: 0 })],
            },
            olap: { reachable: true, generations: [expect.objectContaining({ lanesHeld: 1 })] },
          },
        }),
      ]);
    });
  });

  it('has nothing to verify before the first rebuild, and says so', async () => {
    const { exitCode, stderr } = await run('verify', 'oltp');
    expect(exitCode).toBe(1);
    expect(stderr).toContain('oltp has one generation only, 1');
  });

  it('rebuilds all tiers with one read of the log, and keeps the old generations as the way back', async () => {
    const { exitCode, records, stderr } = await run('rebuild', 'run', '--all', '--verify', '--cutover');
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(records.at(-1)).toMatchObject({
      state: 'serving',
      generations: ['content', 'olap', 'oltp'].map((tier) => ({ tier, generation: 2, isLive: true })),
    });
    const verified = await run('verify', 'oltp');
    expect(verified).toMatchObject({ exitCode: 0, records: [{ equal: true, generations: [2, 1] }] });
  });

  it('lets the old generation serve again, and the new one slot by slot', async () => {
    expect(await run('rebuild', 'rollback', '1')).toMatchObject({
      exitCode: 0,
      records: [{ state: 'rolled-back', generations: [2, 2, 2].map(() => ({ isLive: false })) }],
    });
    const early = await run('rebuild', 'cutover', '1');
    expect(early).toMatchObject({ exitCode: 1, records: [] });
    expect(early.stderr).toContain('run 1 cannot be cut over: it is rolled-back');
    expect(early.stderr).toContain('next: mailfold rebuild verify 1');
    const verified = await run('rebuild', 'verify', '1');
    expect(verified).toMatchObject({ exitCode: 0, records: [{ state: 'verified' }] });
    const certificate = readFileSync(String(verified.records[0]?.['certificateFile']), 'utf8');
    expect(Object.keys(JSON.parse(certificate) as object).sort()).toEqual(['content', 'olap', 'oltp']);
    const canary = await run('rebuild', 'cutover', '1', '--canary', '--canary-pause-ms', '50');
    expect(canary).toMatchObject({ exitCode: 0, records: [{ state: 'serving' }] });
    expect(canary.stderr).toContain('Canary: slot 0 of oltp served by generation 2.');
    expect(canary.stderr).toContain('Canary: slots 1-8 of oltp served by generation 2.');
  });

  it('names the rows that differ, and fails', async () => {
    await oltp(
      `update g1.conversations set subject = 'altered by hand' where id = (select min(id::text)::uuid from g1.conversations)`,
    );
    const { exitCode, records } = await run('verify', 'oltp', '--generations', '1,2');
    expect(exitCode).toBe(1);
    const tables = records[0]?.['tables'] as { table: string; equal: boolean; differingKeys: string[] }[];
    expect(tables.filter(({ equal }) => !equal)).toEqual([
      expect.objectContaining({
        table: 'conversations',
        differingKeys: [expect.stringMatching(/^[0-9a-f-]{36} [0-9a-f-]{36}$/)],
      }),
    ]);
  });

  it('does not cut over to rows that differ from those that serve', async () => {
    await oltp(
      `update g2.conversations set subject = 'altered by hand' where id = (select min(id::text)::uuid from g2.conversations)`,
    );
    const refused = await run('rebuild', 'run', 'oltp', '--verify', '--cutover');
    expect(refused.exitCode).toBe(1);
    // The oracle and the shadow reads meet the row by chance only.
    expect(refused.stderr).toMatch(/run 2 is refuted: the certificate of oltp does not hold \(rows\b/);
    expect(refused.records.at(-1)).toMatchObject({ state: 'refuted', generations: [{ isLive: false }] });
  });

  it('says what a run that is loaded already can do next, and cuts over by force with the reason in its journal', async () => {
    const again = await run('rebuild', 'run', 'oltp');
    expect(again).toMatchObject({ exitCode: 1, records: [{ run: 2, state: 'refuted' }] });
    expect(again.stderr).toContain('It is refuted already');
    expect(await run('rebuild', 'cutover', '2', '--force')).toMatchObject({ exitCode: 2, records: [] });
    const forced = await run('rebuild', 'cutover', '2', '--force', '--reason', 'g2 was altered by hand');
    expect(forced).toMatchObject({ exitCode: 0, records: [{ state: 'serving' }] });
    const { records } = await run('rebuild', 'status', '2');
    expect(records[0]?.['journal']).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          action: 'cutOverByForce',
          detail: expect.objectContaining({ forced: 'g2 was altered by hand' }),
        }),
      ]),
    );
  });

  it('drops what served before only when told to, and then says that nothing is left to do', async () => {
    expect(await run('rebuild', 'retire', '2')).toMatchObject({ exitCode: 2 });
    const retired = await run('rebuild', 'retire', '2', '--yes');
    expect(retired).toMatchObject({
      exitCode: 0,
      records: [{ state: 'done', retired: [{ generation: 1 }, { generation: 2 }] }],
    });
    expect(await stateOf(1)).toBe('retired');
    expect(await oltp(`select 1 from pg_namespace where nspname in ('g1', 'g2')`)).toEqual([]);
    expect(await run('rebuild', 'retire', '2', '--yes')).toMatchObject({
      exitCode: 0,
      records: [{ state: 'done', retired: [] }],
    });
    expect((await run('rebuild', 'rollback', '2')).stderr).toContain(
      'run 2 cannot be rolled back: it is done',
    );
  });

  it('refuses a second run on the same tier at once, naming who holds it', async () => {
    const holder = new Client({ connectionString: urls['CONTROL_DATABASE_URL'] ?? '' });
    await holder.connect();
    try {
      await holder.query(`set application_name = 'mailfold: ada@desk, run 9'`);
      await holder.query(`select pg_advisory_lock(hashtext('mailfold rebuild'), hashtext('oltp'))`);
      const { exitCode, stderr } = await run('rebuild', 'run', 'oltp');
      expect(exitCode).toBe(1);
      expect(stderr).toContain('a run on oltp is under way already (ada@desk, run 9, since ');
    } finally {
      await holder.end();
    }
  });

  it('is paused, bounded and resumed from elsewhere while it runs, and goes on after kill -9', async () => {
    let isKilled = false;
    const killed = mailfold(['rebuild', 'run', 'oltp', '--fresh', '--events-per-second', '1'], {
      env: system.cliEnvironment,
      onStart: (kill) =>
        void (async () => {
          const number = await eventually(async () => {
            const { records } = await run('rebuild', 'status');
            expect(records[0]).toMatchObject({ state: 'running', eventsPerSecondMax: 1 });
            return String(records[0]?.['run']);
          });
          expect(await run('rebuild', 'pause', number)).toMatchObject({ exitCode: 0 });
          await eventually(async () =>
            expect((await run('rebuild', 'status', number)).records).toMatchObject([
              { state: 'paused', workedOnBy: expect.stringContaining(`run ${number}`) },
            ]),
          );
          expect(await run('rebuild', 'throttle', number, '--events-per-second', '2')).toMatchObject({
            records: [{ eventsPerSecondMax: 2 }],
          });
          expect(await run('rebuild', 'resume', number)).toMatchObject({ exitCode: 0 });
          await eventually(async () =>
            expect((await run('rebuild', 'status', number)).records).toMatchObject([{ state: 'running' }]),
          );
          kill('SIGKILL');
          isKilled = true;
        })(),
    });
    expect((await killed).exitCode).toBeNull();
    expect(isKilled).toBe(true);
    expect((await run('rebuild', 'status')).records[0]).toMatchObject({
      state: 'stopped',
      failure: 'the process that worked on it is gone',
    });
    expect(await run('rebuild', 'throttle', '4', '--events-per-second', 'off')).toMatchObject({
      exitCode: 0,
    });
    // The lock ends with the connection, which the server notices a moment later.
    const resumed = await eventually(async () => {
      const again = await run('rebuild', 'run', 'oltp', '--verify', '--cutover', '--retire');
      expect(again.exitCode).toBe(0);
      return again;
    });
    expect(resumed.records.at(-1)).toMatchObject({ state: 'done', retired: [{ generation: 3 }] });
  });

  it('needs nobody but the log and the databases: with every other connection refused it does the same', async () => {
    const deniedFile = join(system.dataDir, 'denied');
    writeFileSync(deniedFile, '');
    const databases = Object.entries(urls).filter(([name]) => /_DATABASE_URL/.test(name));
    const allowed = [urls['EVENTSTORE_URL'] ?? '', ...databases.map(([, url]) => url)];
    const { exitCode, records, stderr } = await mailfold(['rebuild', 'run', '--all', '--fresh'], {
      env: {
        ...Object.fromEntries(databases),
        EVENTSTORE_URL: urls['EVENTSTORE_URL'] ?? '',
        MAILFOLD_ROOT_KEY: urls['MAILFOLD_ROOT_KEY'] ?? '',
        DATA_DIR: join(system.dataDir, 'apart'),
        NODE_OPTIONS: `--require=${resolve('test/support/deny-network.cjs')}`,
        ALLOWED_PORTS: allowed.flatMap((url) => /:(\d+)[/?]/.exec(url)?.[1] ?? []).join(','),
        DENIED_FILE: deniedFile,
      },
    });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    expect(records.at(-1)).toMatchObject({ state: 'loaded' });
    expect(readFileSync(deniedFile, 'utf8')).toBe('');
  });

  it('would have been caught connecting anywhere else', async () => {
    const deniedFile = join(system.dataDir, 'denied');
    const { exitCode } = await mailfold(['status'], {
      env: {
        ...urls,
        NODE_OPTIONS: `--require=${resolve('test/support/deny-network.cjs')}`,
        DENIED_FILE: deniedFile,
      },
    });
    expect(exitCode).toBe(1);
    expect(readFileSync(deniedFile, 'utf8')).toContain('127.0.0.1:');
  });

  it('migrates what is up to date without a change', async () => {
    const { exitCode, records } = await run('migrate');
    expect(exitCode).toBe(0);
    expect(records.map(({ applied }) => applied)).toEqual(records.map(() => []));
  });
});
