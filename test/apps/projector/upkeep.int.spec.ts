import type { Pool } from 'pg';
import { pino } from 'pino';
import { Upkeep } from '../../../apps/projector/upkeep';
import { wholeTier } from '../../../apps/shared/generations/coverage';
import {
  createGeneration,
  databaseRefOf,
  ensureFirstGeneration,
  freezeGeneration,
  listGenerations,
} from '../../../apps/shared/generations/generations';
import { migrate } from '../../../apps/shared/postgres/migrate';
import { createPool } from '../../../apps/shared/postgres/pool';
import { projectionTiers } from '../../../projections/tiers';
import { eventually } from '../../support/eventually';
import { queryAsSuperuser, startTestPostgres, type TestPostgres } from '../../support/postgres';

const olap = databaseRefOf('olap');
let postgres: TestPostgres;
let control: Pool;
let projector: Pool;
let url: string;

beforeAll(async () => {
  postgres = await startTestPostgres();
  const bounds = {
    ...{ applicationName: 'test', maxConnections: 4, statementTimeoutMs: 10_000 },
    ...{ queryTimeoutMs: 11_000, connectionTimeoutMs: 5_000 },
  };
  const controlUrl = await postgres.createDatabase();
  await migrate(controlUrl, 'control');
  control = createPool(controlUrl, bounds);
  url = await postgres.createDatabase();
  projector = createPool(url, { ...bounds, role: 'mailfold_projector' });
  await ensureFirstGeneration(control, url, 'olap');
});
afterAll(async () => {
  await control?.end();
  await projector?.end();
  await postgres?.stop();
});

test('the projector puts history into its partitions, counts what fits none, and drops copies whose time is over', async () => {
  const urls = new Map([[olap, url]]);
  await queryAsSuperuser(
    url,
    `insert into g1.daily_analytics
     select gen_random_uuid(), day, gen_random_uuid(), 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7
     from unnest(array['2024-02-29', '3026-03-05']::date[]) as day`,
  );
  const { generation } = await createGeneration(control, urls, 'olap', {
    ...{ codeVersion: 'test', kind: 'as-of', asOfPosition: 1n, expiresAt: new Date(0) },
    targets: [{ databaseRef: olap, coverage: wholeTier }],
  });
  await freezeGeneration(control, 'olap', generation);
  const upkeep = new Upkeep({
    ...{ tiers: projectionTiers, controlPool: control, urls, poolOf: () => projector },
    log: pino({ level: 'silent' }),
  });
  upkeep.start();
  try {
    await eventually(async () => {
      const [first, copy] = await listGenerations(control, 'olap');
      expect(copy).toMatchObject({ generation, state: 'retired' });
      expect(first?.targets.map((target) => upkeep.strayRowsOf(target))).toEqual([1]);
    });
  } finally {
    await upkeep.close();
  }
  const places = await queryAsSuperuser<{ place: string }>(
    url,
    'select tableoid::regclass::text as place from g1.daily_analytics order by day',
  );
  expect(places.map(({ place }) => place)).toEqual([
    ...['g1.daily_analytics_p20240201', 'g1.daily_analytics_default'],
  ]);
});
