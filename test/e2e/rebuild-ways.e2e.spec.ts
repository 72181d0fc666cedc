import { samplePath } from '../../apps/dev/demo-sample';
import { eventually } from '../support/eventually';
import { queryAsSuperuser } from '../support/postgres';
import { mailfold, type MailfoldRun } from './mailfold-process';
import { WholeSystem } from './whole-system';

/** On one running system; each test finds it as the one before has left it. */
describe('runs that make no generation of a whole tier', () => {
  let system: WholeSystem;
  let oltpUrl: string;
  let tenantId: string;

  beforeAll(async () => {
    system = await WholeSystem.start();
    oltpUrl = system.env['OLTP_DATABASE_URL'] ?? '';
    const mailboxId = await system.createMailbox();
    const imported = await run('import', samplePath(), '--mailbox', mailboxId);
    expect(imported).toMatchObject({ exitCode: 0 });
    await system.conversationsOf(mailboxId, String(imported.records.at(-1)?.['position']));
    const [row] = await oltp<{ tenant_id: string }>('select tenant_id from g1.conversations limit 1');
    tenantId = row?.tenant_id ?? '';
  }, 90_000);
  afterAll(() => system?.stop(), 30_000);

  const run = (...args: string[]): Promise<MailfoldRun> => mailfold(args, { env: system.cliEnvironment });
  const oltp = <Row extends object>(sql: string): Promise<Row[]> => queryAsSuperuser<Row>(oltpUrl, sql);
  const conversationsIn = (schema: string): Promise<object[]> =>
    oltp(`select * from ${schema}.conversations where tenant_id = '${tenantId}' order by id`);
  const runOf = ({ records }: MailfoldRun): string => String(records.at(-1)?.['run']);

  describe('one conversation, folded again in place', () => {
    const refold = (conversationId: string, tier = 'oltp'): Promise<MailfoldRun> =>
      run('rebuild', 'run', tier, '--tenant', tenantId, '--conversation', conversationId);
    const changedTables = ({ records }: MailfoldRun): string[] =>
      (records[0]?.['refolded'] as { tables: { table: string; isChanged: boolean }[] }[]).flatMap(
        ({ tables }) => tables.filter(({ isChanged }) => isChanged).map(({ table }) => table),
      );
    let rows: object[];
    let damaged: string;

    it('is refused where the log knows no such conversation, and where the tier holds nothing of one', async () => {
      [{ id: damaged } = { id: '' }] = await oltp<{ id: string }>(
        'select id from g1.conversations order by id',
      );
      expect(await refold(tenantId)).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining(`the log knows no conversation ${tenantId} of tenant ${tenantId}`),
      });
      expect(await refold(damaged, 'content')).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('content has no row that conversation'),
      });
      expect(await run('rebuild', 'run', 'oltp', '--conversation', damaged)).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining('together with its tenant'),
      });
      expect((await run('rebuild', 'status')).records).toEqual([]);
    });

    it('gives the rows back that were wrong or gone, and says which', async () => {
      rows = await conversationsIn('g1');
      await oltp(`update g1.conversations set subject = 'damaged' where id = '${damaged}'`);
      await oltp(`delete from g1.inbox_message_refs where conversation_id = '${damaged}'`);
      const mended = await refold(damaged);
      expect(mended).toMatchObject({ exitCode: 0, records: [{ state: 'done', generations: [], next: [] }] });
      expect(changedTables(mended)).toEqual(['conversations', 'inbox_message_refs']);
      expect(await conversationsIn('g1')).toEqual(rows);
      const again = await refold(damaged);
      expect(again).toMatchObject({ exitCode: 0, records: [{ state: 'done' }] });
      expect(changedTables(again)).toEqual([]);
    });

    it('does the same over HTTP', async () => {
      const console = async (path: string, body?: object): Promise<Record<string, unknown>> => {
        const response = await fetch(`${system.env['CONSOLE_URL']}/v1/runs${path}`, {
          ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}),
          headers: {
            authorization: `Bearer ${system.env['MAILFOLD_ADMIN_KEY']}`,
            ...(body ? { 'content-type': 'application/json' } : {}),
          },
        });
        return (await response.json()) as Record<string, unknown>;
      };
      await oltp(`update g1.conversations set subject = 'damaged' where id = '${damaged}'`);
      const task = { kind: 'rebuild', tiers: ['oltp'], tenantId, conversationId: damaged };
      const planned = await console('', task);
      expect(planned).toMatchObject({ state: 'planned', plan: { estimate: null } });
      await console(`/${String(planned['run'])}/start`, {});
      await eventually(
        async () =>
          expect(await console(`/${String(planned['run'])}`)).toMatchObject({
            state: 'done',
            refolded: [
              {
                schema: 'g1',
                tables: expect.arrayContaining([
                  {
                    table: 'conversations',
                    isChanged: true,
                    before: expect.anything(),
                    after: expect.anything(),
                  },
                ]),
              },
            ],
          }),
        20_000,
      );
      expect(await conversationsIn('g1')).toEqual(rows);
    });
  });

  describe('a tenant that is pinned returns to its slots', () => {
    let before: object[];
    const back = (): string[] => ['repartition', 'run', 'oltp', '--tenant', tenantId, '--back'];

    it('is refused for a tenant that is not pinned', async () => {
      expect(await run(...back())).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('there is nothing to do'),
      });
    });

    it('brings its rows, proves what it finds in the slots and not where it comes from, and drops it when discarded', async () => {
      before = await conversationsIn('g1');
      expect(before.length).toBeGreaterThan(5);
      const pin = ['repartition', 'run', 'oltp', '--tenant', tenantId, '--to', 'OLTP_DATABASE_URL'];
      expect(await run(...pin, '--verify', '--cutover', '--retire')).toMatchObject({
        exitCode: 0,
        records: [{ state: 'done' }],
      });
      expect(await conversationsIn('g1')).toEqual([]);
      const filled = await run(...back());
      expect(filled).toMatchObject({ exitCode: 0, records: [{ state: 'loaded', generations: [] }] });
      expect(await conversationsIn('g1')).toEqual(before);
      await oltp(`delete from g1.conversations where tenant_id = '${tenantId}'`);
      const refuted = await run('repartition', 'verify', runOf(filled));
      expect(refuted).toMatchObject({ exitCode: 1, records: [{ state: 'refuted' }] });
      expect(refuted.stderr).toMatch(/the certificate of oltp does not hold \(rows\b/);
      expect((await run('repartition', 'cutover', runOf(filled))).exitCode).toBe(1);
      expect(await run('repartition', 'discard', runOf(filled), '--yes')).toMatchObject({
        exitCode: 0,
        records: [{ state: 'discarded' }],
      });
      expect(await conversationsIn('g1')).toEqual([]);
    }, 180_000);

    it('serves it by its slots, lets it go back, and drops its own place when that is retired', async () => {
      const served = await run(...back(), '--verify', '--cutover');
      expect(served).toMatchObject({ exitCode: 0, records: [{ state: 'serving' }] });
      const number = runOf(served);
      const servingGeneration = async (): Promise<unknown> => (await run('status')).records[0]?.['tiers'];
      expect(await servingGeneration()).toMatchObject({
        oltp: {
          generations: [
            { generation: 1, isLive: true },
            { generation: 2, isLive: false },
          ],
        },
      });
      expect(await run('repartition', 'rollback', number)).toMatchObject({
        exitCode: 0,
        records: [{ state: 'rolled-back' }],
      });
      expect(await servingGeneration()).toMatchObject({
        oltp: { generations: [{ generation: 1 }, { generation: 2, isLive: true }] },
      });
      for (const [step, state] of [
        ['verify', 'verified'],
        ['cutover', 'serving'],
      ] as const)
        expect(await run('repartition', step, number)).toMatchObject({ exitCode: 0, records: [{ state }] });
      expect(await run('repartition', 'retire', number, '--yes')).toMatchObject({
        exitCode: 0,
        records: [{ state: 'done', retired: [{ tier: 'oltp', generation: 2, keeps: [] }] }],
      });
      expect(await oltp(`select nspname from pg_namespace where nspname ~ '^g[0-9]'`)).toEqual([
        { nspname: 'g1' },
      ]);
      expect(await conversationsIn('g1')).toEqual(before);
    }, 180_000);
  });

  describe('a tier that is rebuilt range by range', () => {
    let rows: object[];
    const roll = (...flags: string[]): string[] => ['rebuild', 'run', 'oltp', '--rolling', '4', ...flags];
    const schemas = async (): Promise<string[]> =>
      (
        await oltp<{ name: string }>(
          `select nspname as name from pg_namespace where nspname ~ '^g[0-9]' order by nspname`,
        )
      ).map(({ name }) => name);
    const allConversations = async (): Promise<object[]> => {
      const each = (await schemas()).map((schema) => `select * from ${schema}.conversations`);
      return oltp(`${each.join(' union all ')} order by tenant_id, id`);
    };
    const statesOf = ({ records }: MailfoldRun): unknown[] =>
      (records.at(-1)?.['ranges'] as { state: string | null }[]).map(({ state }) => state);

    it('is refused with what makes no sense beside it', async () => {
      expect(await run(...roll('--slots', '0-7'))).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining('takes all slots'),
      });
      expect(await run('rebuild', 'plan', '--all', '--rolling', '4')).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining('takes one tier'),
      });
    });

    it('goes on with the range it was killed in, and leaves nothing of what served before', async () => {
      rows = await allConversations();
      const killed = await mailfold(roll(), {
        env: system.cliEnvironment,
        onStderr: (text, kill) => {
          if (/range 1\/4 \(run \d+\) serves/.test(text)) kill('SIGKILL');
        },
      });
      expect(killed.exitCode).toBeNull();
      const listed = await run('rebuild', 'status');
      const number = String(listed.records.find(({ what }) => /4 ranges/.test(String(what)))?.['run']);
      const stopped = await run('rebuild', 'status', number);
      expect(stopped).toMatchObject({ records: [{ state: 'stopped' }] });
      expect(statesOf(stopped)[0]).toBe('done');
      expect(statesOf(stopped)[3]).toBeNull();
      const resumed = await run('rebuild', 'resume', number);
      expect(resumed).toMatchObject({ exitCode: 0, records: [{ state: 'done', next: [] }] });
      expect(statesOf(resumed)).toEqual(['done', 'done', 'done', 'done']);
      const after = await schemas();
      expect(after).toHaveLength(4);
      expect(after).not.toContain('g1');
      expect(await allConversations()).toEqual(rows);
    }, 180_000);

    it('stops at the first range that is refuted, which serves as before, and is discarded with what it has begun', async () => {
      const before = await schemas();
      const damaged = before[2] ?? '';
      // Not what readers are shown: answers that the query API has cached would differ from those it reads anew, in all ranges.
      await oltp(
        `update ${damaged}.conversations set log_position = log_position + 1
         where id = (select id from ${damaged}.conversations order by id limit 1)`,
      );
      const refuted = await run(...roll());
      expect(refuted).toMatchObject({
        exitCode: 1,
        stderr: expect.stringMatching(/range 3\/4 \(run \d+\) is refuted: .*\(rows\b/),
      });
      const listed = await run('rebuild', 'status');
      const number = String(listed.records.find(({ what }) => /4 ranges/.test(String(what)))?.['run']);
      const status = await run('rebuild', 'status', number);
      expect(statesOf(status)).toEqual(['done', 'done', 'refuted', null]);
      expect(await schemas()).toContain(damaged);
      const discarded = await run('rebuild', 'discard', number, '--yes');
      expect(discarded).toMatchObject({ exitCode: 0, records: [{ state: 'discarded', dropped: [{}] }] });
      expect(await schemas()).toHaveLength(4);
    }, 180_000);
  });
});
