import { allSlots, divided } from '../../../../apps/shared/generations/coverage';
import {
  createGeneration,
  databaseRefOf,
  listGenerations,
  startTailing,
  urlNamed,
  type TargetToMake,
} from '../../../../apps/shared/generations/generations';
import {
  readPlacement,
  SwitchRefused,
  wayBack,
  type Target,
} from '../../../../apps/shared/generations/placement';
import { shedMoved } from '../../../../apps/shared/generations/shed';
import { copyLoad } from '../../../../apps/shared/rebuilding/copy/copy-load';
import { LogDisagrees } from '../../../../apps/shared/rebuilding/contracts';
import { oltpTier } from '../../../../projections/oltp';
import { queryAsSuperuser } from '../../../support/postgres';
import { TierSystem } from '../../../support/tier-system';

const first = databaseRefOf('oltp');
const second = `${first}_2`;
const { signal } = new AbortController();
let system: TierSystem;

beforeAll(async () => {
  system = await TierSystem.start([oltpTier], 2);
  await system.append(600);
});
afterAll(() => system?.close());

/** Copies from the first generation, and tails. */
async function filled(...targets: TargetToMake[]): Promise<readonly Target[]> {
  const made = await system.made(oltpTier, ...targets);
  const sources = (await system.targetsOf(oltpTier, 1)).map(system.placeOf);
  await copyLoad({
    ...{ tier: oltpTier, sources, targets: made.targets.map(system.placeOf), store: system.store, signal },
  });
  await startTailing(system.control, 'oltp', made.generation);
  return made.targets;
}

function shed(generation: number, tenantId?: string) {
  const { control, urls, store } = system;
  return shedMoved({
    control,
    urls,
    tier: oltpTier,
    generation,
    store,
    signal,
    ...(tenantId ? { tenantId } : {}),
  });
}

test('slots that another generation serves are given up and dropped under load, and only those', async () => {
  const load = new AbortController();
  const writing = system.append(100_000, { perSecond: 30, signal: load.signal });
  const [, upper = allSlots] = divided(allSlots, 2);
  const next = await filled({ databaseRef: second, coverage: { slots: upper, tenantId: null } });
  // While pointers still name it, nothing goes.
  expect(await shed(1)).toMatchObject({ deletedRows: 0, targets: [{ slots: allSlots }] });
  const after = await system.switchTo(oltpTier, { slots: upper, to: 2 });
  const outcome = await shed(1);
  expect(outcome.targets).toMatchObject([{ slots: { from: 0, to: 2047 } }]);
  expect(outcome.deletedRows).toBeGreaterThan(50);
  await expect(system.switchTo(oltpTier, ...wayBack(after, 2))).rejects.toThrow('Slot 2048 of oltp');
  load.abort();
  await writing;

  const rest = await system.targetsOf(oltpTier, 1);
  await system.level([...rest, ...next]);
  expect(await system.rowsOf(rest, 'slot > 2047')).toEqual([]);
  // An independent whole copy of what the two hold, and the figures that prove it.
  const whole = await createGeneration(system.control, system.urls, 'oltp', {
    ...{ codeVersion: 'test', kind: 'rebuild' },
    targets: [{ databaseRef: first, coverage: { slots: allSlots, tenantId: null } }],
  });
  await startTailing(system.control, 'oltp', whole.generation);
  await system.level(whole.targets);
  expect(await system.rowsOf([...rest, ...next])).toEqual(await system.rowsOf(whole.targets));
  expect(await system.talliesOf([...rest, ...next])).toEqual(await system.talliesOf(whole.targets));
  expect(await shed(1)).toMatchObject({ deletedRows: 0 });
});

test('a generation that serves nothing any more is retired', async () => {
  const { pointers } = await readPlacement(system.control, 'oltp');
  expect(pointers.map(({ generation }) => generation)).toEqual([1, 2]);
  await system.switchTo(oltpTier, { slots: allSlots, to: 3 });
  expect(await shed(2)).toEqual({ targets: [], deletedRows: 0 });
  expect((await listGenerations(system.control, 'oltp')).map(({ state }) => state)).toEqual([
    ...['tailing', 'retired', 'tailing'],
  ]);
});

test('a tenant that is served by its slots is not given up', async () => {
  const [tenantId = ''] = system.tenants;
  await expect(shed(3, tenantId)).rejects.toThrow(SwitchRefused);
});

test('lanes that have not taken in what the log holds are refused by name, and no row is given up until they have', async () => {
  const [lower = allSlots] = divided(allSlots, 2);
  const [next] = await filled({ databaseRef: second, coverage: { slots: lower, tenantId: null } });
  await system.switchTo(oltpTier, { slots: lower, to: next?.generation ?? 0 });
  const url = urlNamed(system.urls, first);
  const rows = () => queryAsSuperuser(url, 'select id from g3.conversations where slot < 2048 order by id');
  const before = await rows();
  await queryAsSuperuser(url, 'update g3.checkpoints set events = events - 1');
  await expect(shed(3)).rejects.toThrow(LogDisagrees);
  await expect(shed(3)).rejects.toThrow(
    /g3 says it has taken in \d+ events of slots 0 to 4095; the log holds \d+/,
  );
  expect(before.length).toBeGreaterThan(10);
  expect(await rows()).toEqual(before);
  await queryAsSuperuser(url, 'update g3.checkpoints set events = events + 1');
  expect((await shed(3)).deletedRows).toBeGreaterThan(10);
  expect(await rows()).toEqual([]);
});
