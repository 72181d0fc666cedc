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
  }, 90_000);
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

  it.each(['oltp', 'content', 'olap'])(
    'rebuilds %s and keeps the old generation as the way back',
    async (tier) => {
      const { exitCode, records, stderr } = await run('rebuild', tier);
      expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
      expect(records.at(-1)).toMatchObject({ tier, generation: 2, previousGeneration: 1, retired: [] });
      const verified = await run('verify', tier);
      expect(verified).toMatchObject({ exitCode: 0, records: [{ equal: true, generations: [2, 1] }] });
    },
  );

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

  it('does not switch to rows that differ from those that serve', async () => {
    await oltp(
      `update g2.conversations set subject = 'altered by hand' where id = (select min(id::text)::uuid from g2.conversations)`,
    );
    const refused = await run('rebuild', 'oltp');
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('not switched: the rows differ');
    expect(refused.records.at(-1)).toMatchObject({ switched: false, generations: [2, 3] });
  });

  it('goes on with the generation that is there, switches when told to, and drops what lies behind the way back', async () => {
    const accepted = await run('rebuild', 'oltp', '--accept-differences');
    expect(accepted).toMatchObject({
      exitCode: 0,
      stderr: expect.stringContaining('Going on with generation 3'),
    });
    expect(accepted.records.at(-1)).toMatchObject({ generation: 3, previousGeneration: 2, retired: [1] });
    expect(await stateOf(1)).toBe('retired');
    expect(await oltp(`select 1 from pg_namespace where nspname = 'g1'`)).toEqual([]);
  });

  it('refuses a second rebuild of the same tier at once', async () => {
    const holder = new Client({ connectionString: urls['CONTROL_DATABASE_URL'] });
    await holder.connect();
    try {
      await holder.query(`select pg_advisory_lock(hashtext('mailfold rebuild'), hashtext('oltp'))`);
      const { exitCode, stderr } = await run('rebuild', 'oltp');
      expect(exitCode).toBe(1);
      expect(stderr).toBe('mailfold: a rebuild of oltp is under way already\n');
    } finally {
      await holder.end();
    }
  });

  it('resumes after kill -9 with the generation it had begun', async () => {
    const killed = await mailfold(['rebuild', 'oltp'], {
      env: system.cliEnvironment,
      onStderr: (text, kill) => {
        if (text.includes('Filling generation 4')) kill('SIGKILL');
      },
    });
    expect(killed.exitCode).toBeNull();
    expect(await stateOf(4)).toBe('building');
    // The lock ends with the connection, which the server notices a moment later.
    const resumed = await eventually(async () => {
      const again = await run('rebuild', 'oltp', '--retire-old');
      expect(again.exitCode).toBe(0);
      return again;
    });
    expect(resumed.stderr).toContain('Going on with generation 4');
    expect(resumed.records.at(-1)).toMatchObject({ generation: 4, previousGeneration: 3, retired: [2, 3] });
  });

  it('migrates what is up to date without a change', async () => {
    const { exitCode, records } = await run('migrate');
    expect(exitCode).toBe(0);
    expect(records.map(({ applied }) => applied)).toEqual(records.map(() => []));
  });
});
