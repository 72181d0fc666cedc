import { allSlots, divided } from '../../../../../apps/shared/generations/coverage';
import {
  createGeneration,
  databaseRefOf,
  startTailing,
  urlNamed,
  type TargetToMake,
} from '../../../../../apps/shared/generations/generations';
import { coverageOf, type Target } from '../../../../../apps/shared/generations/placement';
import { copyLoad } from '../../../../../apps/shared/rebuilding/copy/copy-load';
import { LogDisagrees, type TargetToLoad } from '../../../../../apps/shared/rebuilding/contracts';
import { setHistoryPeriod, strayHistoryRows } from '../../../../../apps/shared/partitions/history-partitions';
import { olapTier } from '../../../../../projections/olap';
import { oltpTier } from '../../../../../projections/oltp';
import type { ProjectionTier } from '../../../../../projections/tier';
import { queryAsSuperuser } from '../../../../support/postgres';
import { TierSystem } from '../../../../support/tier-system';

const first = databaseRefOf('oltp');
const second = `${first}_2`;
let system: TierSystem;

beforeAll(async () => {
  system = await TierSystem.start([oltpTier, olapTier], 2);
  await system.append(1_000);
});
afterAll(() => system?.close());

async function made(tier: ProjectionTier, targets: readonly TargetToMake[]): Promise<readonly Target[]> {
  const generation = await createGeneration(system.control, system.urls, tier.tier, {
    ...{ codeVersion: 'test', kind: 'repartition', targets },
  });
  return generation.targets;
}

const toLoad = (target: Target): TargetToLoad => ({
  ...{ generation: target.generation, schema: target.schema },
  ...{ databaseUrl: urlNamed(system.urls, target.databaseRef), coverage: coverageOf(target) },
});

function copy(tier: ProjectionTier, from: readonly Target[], to: readonly Target[], signal?: AbortSignal) {
  return copyLoad({
    ...{ tier, sources: from.map(toLoad), targets: to.map(toLoad), store: system.store },
    signal: signal ?? new AbortController().signal,
  });
}

const shards = (count: number): TargetToMake[] =>
  divided(allSlots, count).map((slots, n) => ({
    databaseRef: n % 2 === 0 ? first : second,
    coverage: { slots, tenantId: null },
  }));

test('a tier is spread over four shards in two databases, then over three, while it is written to', async () => {
  const load = new AbortController();
  const writing = system.append(100_000, { perSecond: 50, signal: load.signal });
  const whole = await system.targetsOf(oltpTier, 1);
  const four = await made(oltpTier, shards(4));
  const outcome = await copy(oltpTier, whole, four);
  expect(outcome).toMatchObject({ isComplete: true, parkedEvents: 0 });
  expect(outcome.rows['oltp.conversations']).toBeGreaterThan(20);
  await startTailing(system.control, 'oltp', four[0]?.generation ?? 0);

  const three = await made(oltpTier, shards(3));
  await copy(oltpTier, four, three);
  await startTailing(system.control, 'oltp', three[0]?.generation ?? 0);
  load.abort();
  await writing;

  await system.level([...whole, ...four, ...three]);
  const rows = await system.rowsOf(whole);
  expect(rows.length).toBeGreaterThan(300);
  expect(await system.rowsOf(four)).toEqual(rows);
  expect(await system.rowsOf(three)).toEqual(rows);
  const counted = await system.talliesOf(whole);
  expect(await system.talliesOf(four)).toEqual(counted);
  expect(await system.talliesOf(three)).toEqual(counted);
});

test('history lies in the periods of the target, and the source is not touched', async () => {
  const whole = await system.targetsOf(olapTier, 1);
  const weekly = await made(olapTier, [
    { databaseRef: databaseRefOf('olap'), coverage: { slots: allSlots, tenantId: null } },
  ]);
  const owner = system.pool(urlNamed(system.urls, databaseRefOf('olap')));
  await setHistoryPeriod(owner, weekly[0]?.schema ?? '', 'week');
  await copy(olapTier, whole, weekly);
  await startTailing(system.control, 'olap', weekly[0]?.generation ?? 0);
  await system.append(100);
  await system.level([...whole, ...weekly]);
  const rows = await system.rowsOf(whole);
  expect(rows.length).toBeGreaterThan(5);
  expect(await system.rowsOf(weekly)).toEqual(rows);
  expect(await strayHistoryRows(owner, weekly[0]?.schema ?? '')).toBe(0);
});

test('a tenant alone is copied, whole, and nothing of others', async () => {
  const whole = await system.targetsOf(oltpTier, 1);
  const [tenantId = ''] = system.tenants;
  const apart = await made(oltpTier, [{ databaseRef: second, coverage: { slots: allSlots, tenantId } }]);
  const { rows } = await copy(oltpTier, whole, apart);
  expect(rows['oltp.tenants']).toBe(1);
  await startTailing(system.control, 'oltp', apart[0]?.generation ?? 0);
  await system.append(100);
  await system.level([...whole, ...apart]);
  expect(await system.rowsOf(apart)).toEqual(await system.rowsOf(whole, `tenant_id = '${tenantId}'`));
});

test('a copy that is stopped leaves nothing half done, and goes on', async () => {
  const whole = await system.targetsOf(oltpTier, 1);
  const next = await made(oltpTier, shards(2));
  const stop = new AbortController();
  let tables = 0;
  const stopped = await copyLoad({
    ...{ tier: oltpTier, sources: whole.map(toLoad), targets: next.map(toLoad), store: system.store },
    signal: stop.signal,
    onProgress: ({ done }) => void ((tables = done) > 3 && stop.abort()),
  });
  expect(stopped.isComplete).toBe(false);
  expect(tables).toBeGreaterThan(3);
  await system.append(50);
  const outcome = await copy(oltpTier, whole, next);
  await system.level(whole);
  await startTailing(system.control, 'oltp', next[0]?.generation ?? 0);
  await system.level(next);
  expect(await system.rowsOf(next)).toEqual(await system.rowsOf(whole));
  // A third call finds all of it done.
  expect(await copy(oltpTier, whole, next)).toMatchObject({
    isComplete: true,
    rows: outcome.rows,
    events: 0,
  });
});

test('what is parked goes with its slots, its stop to every target; what one lane has parked for itself cannot be divided', async () => {
  const whole = await system.targetsOf(oltpTier, 1);
  const url = urlNamed(system.urls, first);
  const [tenantId] = system.tenants;
  // Sequences that the log does not hold, so that no lane stumbles over them.
  const [low, high] = ['00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'];
  for (const [sequenceId, slot] of [
    [low, 5],
    [high, 4000],
  ])
    await queryAsSuperuser(
      url,
      `with stop as (insert into g1.stopped_sequences values ($1, $2, -1, 18446744073709551615))
       insert into g1.parked_sequences (tenant_id, slot, sequence_id, position, event_id, event_type, reason)
       values ($1, $3, $2, 18446744073709551615, $2, 'NoteAdded', 'unknown type')`,
      [tenantId, sequenceId, slot],
    );
  const halves = await made(oltpTier, shards(2));
  expect(await copy(oltpTier, whole, halves)).toMatchObject({ parkedEvents: 2 });
  for (const [shard, sequenceId] of [low, high].entries()) {
    const half = urlNamed(system.urls, halves[shard]?.databaseRef ?? '');
    const parked = `select sequence_id as id, position::text as position from ${halves[shard]?.schema}.parked_sequences`;
    expect(await queryAsSuperuser(half, parked)).toEqual([
      { id: sequenceId, position: '18446744073709551615' },
    ]);
    const stops = `select sequence_id as id from ${halves[shard]?.schema}.stopped_sequences order by id`;
    expect(await queryAsSuperuser(half, stops)).toEqual([{ id: low }, { id: high }]);
    const counter = `select parked_sequences::int as parked from ${halves[shard]?.schema}.checkpoints`;
    expect(await queryAsSuperuser(half, counter)).toEqual([{ parked: 1 }]);
  }
  await queryAsSuperuser(url, `update g1.stopped_sequences set lane = 0 where sequence_id = $1`, [low]);
  await expect(copy(oltpTier, whole, await made(oltpTier, shards(2)))).rejects.toThrow('requeue them');
  await queryAsSuperuser(url, `delete from g1.stopped_sequences`);
  await queryAsSuperuser(url, `delete from g1.parked_sequences`);
});

test('a source that has not taken in what the log holds is refused by name, and so is one that lacks slots', async () => {
  const whole = await system.targetsOf(oltpTier, 1);
  const next = await made(oltpTier, shards(1));
  const half = whole.map((target) => ({ ...target, slots: { from: 0, to: 2047 } }));
  await expect(copy(oltpTier, half, next)).rejects.toThrow('slot 2048');
  await system.level(whole);
  const url = urlNamed(system.urls, first);
  await queryAsSuperuser(url, 'update g1.checkpoints set events = events - 1');
  await expect(copy(oltpTier, whole, next)).rejects.toThrow(LogDisagrees);
  await queryAsSuperuser(
    url,
    'update g1.checkpoints set events = events + 1, id_digest_lo = (id_digest_lo + 1) % 18446744073709551616::numeric',
  );
  await expect(copy(oltpTier, whole, next)).rejects.toThrow(LogDisagrees);
  expect(await system.rowsOf(next)).toEqual([]);
});
