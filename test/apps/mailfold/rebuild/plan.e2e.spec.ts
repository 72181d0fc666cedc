import type { RunView } from '../../../../apps/mailfold/rebuild/operations/run-view';
import { importSample, mailfold } from '../../../e2e/mailfold-process';
import { WholeSystem } from '../../../e2e/whole-system';
import { eventually } from '../../../support/eventually';
import { queryAsSuperuser } from '../../../support/postgres';

describe('mailfold rebuild plan', () => {
  let system: WholeSystem;
  let env: WholeSystem['env'];

  beforeAll(async () => {
    system = await WholeSystem.start();
    env = system.env;
    await importSample(system);
  }, 120_000);
  afterAll(() => system?.stop(), 30_000);

  async function rebuild(
    ...args: string[]
  ): Promise<{ exitCode: number | null; stderr: string; view: RunView }> {
    const { exitCode, stderr, records } = await mailfold(['rebuild', ...args], {
      env: { ...system.cliEnvironment, PROJECTOR_LANES: '2' },
    });
    return { exitCode, stderr, view: records[0] as unknown as RunView };
  }

  const ofOltp = <Row>(sql: string): Promise<Row[]> =>
    queryAsSuperuser<Row & Record<string, unknown>>(env['OLTP_DATABASE_URL'] ?? '', sql);

  it('keeps what the run takes, and makes nothing', async () => {
    const { exitCode, view } = await rebuild('plan', 'oltp');
    expect(exitCode).toBe(0);
    expect(view).toMatchObject({ run: 1, state: 'planned', generations: [], plan: { source: 'replay' } });
    const estimate = view.plan.estimate!;
    expect(estimate).toMatchObject({ codeVersion: view.codeVersion, unknown: [], poison: { sequences: 0 } });
    const conversations = estimate.tables.find(({ table }) => table === 'conversations')!;
    expect(conversations.rows.value).toBeGreaterThan(0);
    await eventually(async () =>
      expect(await ofOltp('select count(*)::int as value from g1.conversations')).toEqual([
        { value: conversations.rows.value },
      ]),
    );
    expect(estimate.phases.map(({ phase }) => phase)).toEqual(['prepare', 'scan', 'load', 'index']);
    expect(estimate.seconds.low).toBeLessThanOrEqual(estimate.seconds.value);
    expect(estimate.servers).toMatchObject([{ tiers: ['oltp'] }]);
    expect(await ofOltp(`select nspname from pg_namespace where nspname like 'estimate%'`)).toEqual([]);
  });

  it('is carried out with the lanes of its day, and what it took is told beside what was planned', async () => {
    const { exitCode, view } = await rebuild('run', '--plan', '1');
    expect(exitCode).toBe(0);
    expect(view).toMatchObject({
      run: 1,
      state: 'loaded',
      plan: { estimate: { events: expect.any(Number) } },
    });
    const { took } = view.progress!;
    expect(took.map(({ phase }) => phase)).toEqual(['prepare', 'scan', 'load', 'index', 'tail oltp']);
    expect(took.every(({ seconds }) => seconds >= 0)).toBe(true);
    const schema = view.generations[0]!.targets[0]!.schema;
    expect(await ofOltp(`select slot_from, slot_to from ${schema}.checkpoints order by lane`)).toEqual([
      { slot_from: 0, slot_to: 2_047 },
      { slot_from: 2_048, slot_to: 4_095 },
    ]);
  });

  it('is refused to other code, while a run without a plan begins at once', async () => {
    await rebuild('plan', 'olap');
    await queryAsSuperuser(
      env['CONTROL_DATABASE_URL'] ?? '',
      `update rebuild_runs set code_version = 'of old' where run = 2`,
    );
    const refused = await rebuild('run', '--plan', '2');
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toContain('run 2 was planned by other code (of old, this is ');
    const { exitCode, view } = await rebuild('run', 'olap');
    expect(exitCode).toBe(0);
    expect(view).toMatchObject({ run: 3, state: 'loaded', plan: { estimate: null } });
  });
});
