import { allSlots } from '../../../../apps/shared/generations/coverage';
import {
  databaseRefOf,
  retireGeneration,
  startTailing,
  type TargetToMake,
} from '../../../../apps/shared/generations/generations';
import { refillTenant, returnTenant } from '../../../../apps/shared/generations/pin';
import { SwitchRefused, type Target } from '../../../../apps/shared/generations/placement';
import { shedMoved } from '../../../../apps/shared/generations/shed';
import { copyLoad } from '../../../../apps/shared/rebuilding/copy/copy-load';
import { oltpTier } from '../../../../projections/oltp';
import { TierSystem } from '../../../support/tier-system';

const first = databaseRefOf('oltp');
const second = `${first}_2`;
const { signal } = new AbortController();
let system: TierSystem;
let tenantId: string;

beforeAll(async () => {
  system = await TierSystem.start([oltpTier], 2);
  await system.append(500);
  [tenantId = ''] = system.tenants;
});
afterAll(() => system?.close());

/** Fills itself from the log. */
async function replayed(...targets: TargetToMake[]): Promise<readonly Target[]> {
  const generation = await system.made(oltpTier, ...targets);
  await startTailing(system.control, 'oltp', generation.generation);
  await system.level(generation.targets);
  return generation.targets;
}

const options = () => ({
  ...{ control: system.control, urls: system.urls, tier: oltpTier, store: system.store, signal, tenantId },
});

test('a tenant moves to a database of its own and back while it is written to; nothing is lost, and the proof adds up', async () => {
  const load = new AbortController();
  const writing = system.append(100_000, { perSecond: 30, signal: load.signal });
  // Two lanes, so that what comes back is divided.
  const main = await replayed({
    databaseRef: first,
    coverage: { slots: allSlots, tenantId: null },
    lanes: 2,
  });
  await system.switchTo(oltpTier, { slots: allSlots, to: 2 });
  const pinned = await system.made(oltpTier, {
    databaseRef: second,
    coverage: { slots: allSlots, tenantId },
  });
  const [sources, targets] = [main.map(system.placeOf), pinned.targets.map(system.placeOf)];
  await copyLoad({ tier: oltpTier, sources, targets, store: system.store, signal });
  await startTailing(system.control, 'oltp', 3);
  await system.switchTo(oltpTier, { tenantId, to: 3 });
  await shedMoved({ ...options(), generation: 2, tenantId });
  expect(await system.servedFrom(oltpTier, tenantId)).toEqual([`0-4095 g3@${second}`]);
  expect(await system.rowsOf(main, `tenant_id = '${tenantId}'`)).toEqual([]);
  await expect(returnTenant(options())).rejects.toThrow(SwitchRefused);
  await expect(system.switchTo(oltpTier, { tenantId, to: null })).rejects.toThrow('Slot 0 of oltp');

  const whole = await system.targetsOf(oltpTier, 1);
  expect((await refillTenant(options())).map(({ schema }) => schema)).toEqual(['g2']);
  await refillTenant(options());
  expect(await system.servedFrom(oltpTier, tenantId)).toEqual([`0-4095 g3@${second}`]);
  await returnTenant(options());
  await returnTenant(options());
  expect(await system.servedFrom(oltpTier, tenantId)).toEqual([`0-4095 g2@${first}`]);
  await retireGeneration(system.control, system.urls, 'oltp', 3);
  load.abort();
  await writing;

  // The first generation has gone on by itself all the time.
  await system.level([...main, ...whole]);
  const rows = await system.rowsOf(whole);
  expect(rows.filter((row) => row.includes(tenantId)).length).toBeGreaterThan(50);
  expect(await system.rowsOf(main)).toEqual(rows);
  expect(await system.talliesOf(main)).toEqual(await system.talliesOf(whole));
});
