import { randomUUID } from 'node:crypto';
import { dailyRows } from '../../../apps/query-api/analytics/daily-analytics.query';
import { createPool } from '../../../apps/shared/postgres/pool';
import { extendHistory } from '../../../apps/shared/partitions/history-partitions';
import { ReadSide } from './read-side';

let side: ReadSide;
const tenantId = randomUUID();
const mailboxId = randomUUID();

beforeAll(async () => {
  side = await ReadSide.start();
  await side.query(
    'olap',
    `insert into g1.daily_analytics
     select case when n % 2 = 0 then $1::uuid else gen_random_uuid() end, date '2025-01-01' + n / 20,
            case when n % 4 = 0 then $2::uuid else gen_random_uuid() end, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7
     from generate_series(0, 7299) n on conflict do nothing`,
    [tenantId, mailboxId],
  );
  const owner = createPool(side.urlOf('olap'), {
    ...{ applicationName: 'test', maxConnections: 1, statementTimeoutMs: 10_000 },
    ...{ queryTimeoutMs: 11_000, connectionTimeoutMs: 5_000 },
  });
  expect(await extendHistory(owner, 'g1')).toHaveLength(12);
  await owner.end();
  await side.query('olap', 'analyze g1.daily_analytics');
});
afterAll(() => side?.stop());

/** Partitions that the query opens, and what it answers. */
async function run(mode: string, ofMailbox: boolean): Promise<{ opened: string[]; days: number }> {
  const values = [`'${tenantId}'`, `'2025-05-20'`, `'2025-06-10'`, ...(ofMailbox ? [`'${mailboxId}'`] : [])];
  const execute = `execute days (${values.join(', ')})`;
  await side.query('olap', 'begin');
  try {
    await side.query('olap', `set local plan_cache_mode = ${mode}`);
    await side.query('olap', 'set local role mailfold_reader');
    await side.query('olap', `select set_config('app.tenant_id', $1, true)`, [tenantId]);
    await side.query('olap', `prepare days as ${dailyRows('g1', { ofMailbox, served: '' })}`);
    const plan = await side.query<{ 'QUERY PLAN': string }>('olap', `explain (analyze) ${execute}`);
    const opened = plan.flatMap(
      (row) => / on (daily_analytics_(?:p\d+|default)) /.exec(row['QUERY PLAN'])?.[1] ?? [],
    );
    return { opened: [...new Set(opened)].sort(), days: (await side.query('olap', execute)).length };
  } finally {
    await side.query('olap', 'rollback');
    await side.query('olap', 'deallocate all');
  }
}

test.each([
  ['planned for its values', 'force_custom_plan', false],
  ['prepared for all values', 'force_generic_plan', false],
  ['of one mailbox, planned for its values', 'force_custom_plan', true],
  ['of one mailbox, prepared for all values', 'force_generic_plan', true],
] as const)('three weeks of analytics open two of twelve months: %s', async (_how, mode, ofMailbox) => {
  expect(await run(mode, ofMailbox)).toEqual({
    opened: ['daily_analytics_p20250501', 'daily_analytics_p20250601'],
    days: 22,
  });
});
