import type { Pool } from 'pg';
import { allSlots, divided } from '../../../../apps/shared/generations/coverage';
import {
  createGeneration,
  databaseRefOf,
  ensureFirstGeneration,
  listGenerations,
  retireGeneration,
  startTailing,
  type TargetToMake,
} from '../../../../apps/shared/generations/generations';
import {
  partsOf,
  readPlacement,
  SwitchRefused,
  switchPointers,
  targetOf,
  wayBack,
  type Move,
  type Placement,
} from '../../../../apps/shared/generations/placement';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { startTestPostgres, type TestPostgres } from '../../../support/postgres';
import { idOf } from '../../../support/recorded-log';

const tenant = idOf('tenant');
const pinned = idOf('pinned tenant');
const first = databaseRefOf('olap');
const second = `${first}_2`;

let postgres: TestPostgres;
let control: Pool;
let urls: ReadonlyMap<string, string>;

beforeEach(async () => {
  postgres ??= await startTestPostgres();
  const controlUrl = await postgres.createDatabase();
  await migrate(controlUrl, 'control');
  control = createPool(controlUrl, {
    ...{ applicationName: 'test', maxConnections: 4, statementTimeoutMs: 5_000 },
    ...{ queryTimeoutMs: 6_000, connectionTimeoutMs: 5_000 },
  });
  urls = new Map([
    [first, await postgres.createDatabase()],
    [second, await postgres.createDatabase()],
  ]);
  await ensureFirstGeneration(control, urls.get(first) ?? '', 'olap');
});
afterEach(() => control.end());
afterAll(() => postgres.stop());

async function made(targets: readonly TargetToMake[]): Promise<number> {
  const { generation } = await createGeneration(control, urls, 'olap', {
    ...{ codeVersion: 'test', kind: 'repartition', targets },
  });
  await startTailing(control, 'olap', generation);
  return generation;
}

async function moved(...moves: Move[]): Promise<Placement> {
  const { epoch } = await readPlacement(control, 'olap');
  return switchPointers(control, 'olap', { epoch, moves });
}

/** Such as `0-4095 g1`. */
function served(placement: Placement, tenantId = tenant): string[] {
  return partsOf(placement, tenantId).map(
    ({ slots, target }) => `${slots.from}-${slots.to} ${target.schema}@${target.databaseRef}`,
  );
}

test('the first generation serves all slots from one target', async () => {
  expect(served(await readPlacement(control, 'olap'))).toEqual([`0-4095 g1@${first}`]);
});

test('slots move one by one, then all, to shards in two databases, and back', async () => {
  const targets = divided(allSlots, 3).map((slots, shard) => ({
    databaseRef: shard === 2 ? second : first,
    coverage: { slots, tenantId: null },
  }));
  const next = await made(targets);
  expect(served(await moved({ slots: { from: 7, to: 7 }, to: next }))).toEqual([
    ...[`0-6 g1@${first}`, `7-7 g2s0@${first}`, `8-4095 g1@${first}`],
  ]);
  await moved({ slots: { from: 0, to: 2000 }, to: next });
  const all = await moved({ slots: allSlots, to: next });
  expect(served(all)).toEqual([
    ...[`0-1364 g2s0@${first}`, `1365-2729 g2s1@${first}`, `2730-4095 g2s2@${second}`],
  ]);
  expect(targetOf(all, tenant, 2730)).toMatchObject({ shard: 2, schema: 'g2s2' });
  expect(served(await moved(...wayBack(all, next)))).toEqual([`0-4095 g1@${first}`]);
});

test('a tenant is served by a target of its own, and by its slots again', async () => {
  const next = await made([{ databaseRef: second, coverage: { slots: allSlots, tenantId: pinned } }]);
  const apart = await moved({ tenantId: pinned, to: next });
  expect(served(apart, pinned)).toEqual([`0-4095 g2@${second}`]);
  expect(served(apart)).toEqual([`0-4095 g1@${first}`]);
  const back = await moved(...wayBack(apart, next));
  expect(served(back, pinned)).toEqual([`0-4095 g1@${first}`]);
});

test('a tenant that a target has given up is not served by it, whatever its slots', async () => {
  const next = await made([
    { databaseRef: second, coverage: { slots: allSlots, tenantId: null, except: [pinned] } },
  ]);
  expect((await listGenerations(control, 'olap')).at(-1)?.targets[0]).toMatchObject({ except: [pinned] });
  const apart = await made([{ databaseRef: first, coverage: { slots: allSlots, tenantId: pinned } }]);
  await moved({ tenantId: pinned, to: apart });
  await moved({ slots: allSlots, to: next });
  expect(served(await readPlacement(control, 'olap'), pinned)).toEqual([`0-4095 g${apart}@${first}`]);
  await expect(moved({ tenantId: pinned, to: null })).rejects.toThrow('Slot 0 of olap');
});

test('a switch is refused when somebody was faster, for a generation that is not kept up, or does not hold the slots', async () => {
  const next = await made([{ databaseRef: first, coverage: { slots: { from: 0, to: 99 }, tenantId: null } }]);
  const { epoch } = await readPlacement(control, 'olap');
  await moved({ slots: { from: 0, to: 9 }, to: next });
  const late = { epoch, moves: [{ slots: { from: 0, to: 99 }, to: next }] };
  await expect(switchPointers(control, 'olap', late)).rejects.toThrow(SwitchRefused);
  await expect(moved({ slots: allSlots, to: 9 })).rejects.toThrow(SwitchRefused);
  await expect(moved({ slots: { from: 0, to: 100 }, to: next })).rejects.toThrow('Slot 100 of olap');
  expect(served(await readPlacement(control, 'olap'))).toEqual([
    ...[`0-9 g2@${first}`, `10-4095 g1@${first}`],
  ]);
});

test('what serves one slot cannot be retired; what serves nothing is dropped', async () => {
  const next = await made([{ databaseRef: first, coverage: { slots: allSlots, tenantId: null } }]);
  const canary = await moved({ slots: { from: 4095, to: 4095 }, to: next });
  await expect(retireGeneration(control, urls, 'olap', next)).rejects.toThrow(SwitchRefused);
  await moved(...wayBack(canary, next));
  await retireGeneration(control, urls, 'olap', next);
  await retireGeneration(control, urls, 'olap', next);
  expect((await listGenerations(control, 'olap')).map(({ state }) => state)).toEqual(['tailing', 'retired']);
});
