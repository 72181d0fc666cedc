import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allSlots } from '../../../../apps/shared/generations/coverage';
import { cutOver } from '../../../../apps/shared/generations/cut-over';
import { dropExpired } from '../../../../apps/shared/generations/expired';
import {
  createGeneration,
  databaseRefOf,
  freezeGeneration,
  listGenerations,
  startTailing,
  urlNamed,
  type GenerationToMake,
} from '../../../../apps/shared/generations/generations';
import { coverageOf, type Target } from '../../../../apps/shared/generations/placement';
import { refoldSequence } from '../../../../apps/shared/projecting/requeue';
import { replay } from '../../../../apps/shared/projecting/replay';
import { bulkLoad, type BulkLoadOptions } from '../../../../apps/shared/rebuilding/bulk-load';
import { olapTier } from '../../../../projections/olap';
import { oltpTier } from '../../../../projections/oltp';
import type { ProjectionTier } from '../../../../projections/tier';
import { queryAsSuperuser } from '../../../support/postgres';
import { TierSystem } from '../../../support/tier-system';

const { signal } = new AbortController();
const tiers = [oltpTier, olapTier];
let system: TierSystem;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mf-scopes-'));
  system = await TierSystem.start(tiers);
  await system.append(400);
});
afterAll(async () => {
  await system?.close();
  rmSync(folder, { recursive: true, force: true });
});

async function made(
  { tier }: ProjectionTier,
  toMake: Omit<GenerationToMake, 'targets' | 'codeVersion'>,
  tenantId: string | null = null,
): Promise<readonly Target[]> {
  const { targets } = await createGeneration(system.control, system.urls, tier, {
    ...{ ...toMake, codeVersion: 'test' },
    targets: [{ databaseRef: databaseRefOf(tier), coverage: { slots: allSlots, tenantId } }],
  });
  return targets;
}

function load(targets: readonly Target[], options: Pick<BulkLoadOptions, 'fence' | 'only'>) {
  return bulkLoad({
    ...{ ...options, poison: 'stop', signal, spoolFolder: join(folder, 'spool') },
    log: {
      ...{ eventStoreUrl: system.eventStoreUrl(), keysDatabaseUrl: system.keysUrl },
      rootKey: system.rootKey,
    },
    tiers: targets.map((target) => ({
      tier: target.tier,
      targets: [
        {
          ...{ generation: target.generation, schema: target.schema, coverage: coverageOf(target) },
          databaseUrl: urlNamed(system.urls, target.databaseRef),
        },
      ],
    })),
  });
}

test('two tiers as of a position hold what a replay up to there holds, stay so, and go when their time is over', async () => {
  const asOfPosition = (await system.store.head()) ?? 0n;
  await system.append(200);
  const expiresAt = new Date(Date.now() + 3_600_000);
  const copies: Target[] = [];
  for (const tier of tiers) copies.push(...(await made(tier, { kind: 'as-of', asOfPosition, expiresAt })));
  await load(copies, { fence: asOfPosition });
  for (const { tier, generation } of copies) await freezeGeneration(system.control, tier, generation);
  const rows = await system.rowsOf(copies);

  const replayed: Target[] = [];
  for (const tier of tiers) {
    const [target] = await made(tier, { kind: 'rebuild' });
    if (target === undefined) throw new Error('no target was made');
    replayed.push(target);
    await replay({
      ...{ store: system.store, tier, parser: null, until: asOfPosition, signal },
      schema: target.schema,
      pool: system.pool(urlNamed(system.urls, target.databaseRef), 'mailfold_projector'),
    });
  }
  expect(rows.length).toBeGreaterThan(100);
  expect(rows).toEqual(await system.rowsOf(replayed));
  await system.level(await system.targetsOf(oltpTier, 1));
  expect(rows).not.toEqual(
    await system.rowsOf([...(await system.targetsOf(oltpTier, 1)), ...(await system.targetsOf(olapTier, 1))]),
  );
  expect(await system.rowsOf(copies)).toEqual(rows);

  expect(await dropExpired(system.control, system.urls)).toEqual([]);
  const now = new Date(expiresAt.getTime() + 1_000);
  const names = copies.map(({ tier, generation }) => ({ tier, generation }));
  expect(await dropExpired(system.control, system.urls, { now })).toEqual(expect.arrayContaining(names));
  expect(await dropExpired(system.control, system.urls, { now })).toEqual([]);
  for (const { databaseRef, schema } of copies)
    expect(
      await queryAsSuperuser(
        urlNamed(system.urls, databaseRef),
        'select 1 from pg_namespace where nspname = $1',
        [schema],
      ),
    ).toEqual([]);
});

test('a copy whose database is away is dropped by the next call', async () => {
  const expiresAt = new Date(Date.now() - 1_000);
  const [copy] = await made(olapTier, { kind: 'as-of', asOfPosition: 1n, expiresAt });
  if (copy === undefined) throw new Error('no target was made');
  await freezeGeneration(system.control, 'olap', copy.generation);
  const away = new Map([[copy.databaseRef, 'postgresql:///nowhere?host=/nonexistent&user=nobody']]);
  const troubles: unknown[] = [];
  expect(await dropExpired(system.control, away, { onTrouble: (error) => troubles.push(error) })).toEqual([]);
  expect(troubles).toHaveLength(1);
  expect(await dropExpired(system.control, system.urls)).toEqual([
    { tier: 'olap', generation: copy.generation },
  ]);
});

test('one tenant is rebuilt from the log beside the others, and served from there', async () => {
  const [, tenantId = ''] = system.tenants;
  const fence = (await system.store.head()) ?? 0n;
  const apart = await made(oltpTier, { kind: 'rebuild' }, tenantId);
  const [{ generation } = { generation: 0 }] = apart;
  await load(apart, { fence, only: { tenantId } });
  await startTailing(system.control, 'oltp', generation);
  await system.append(100);
  await cutOver({
    ...{ control: system.control, urls: system.urls, tier: 'oltp', signal },
    moves: [{ tenantId, to: generation }],
  });
  expect(await system.servedFrom(oltpTier, tenantId)).toEqual([`0-4095 g${generation}@OLTP_DATABASE_URL`]);
  const whole = await system.targetsOf(oltpTier, 1);
  await system.level([...whole, ...apart]);
  const rows = await system.rowsOf(apart);
  expect(rows.length).toBeGreaterThan(20);
  expect(rows).toEqual(await system.rowsOf(whole, `tenant_id = '${tenantId}'`));
  expect((await listGenerations(system.control, 'oltp')).at(-1)).toMatchObject({ isLive: true });
});

test('one conversation is folded again in place, and nothing else changes', async () => {
  const whole = await system.targetsOf(oltpTier, 1);
  const [{ databaseRef, schema } = { databaseRef: '', schema: '' }] = whole;
  const url = urlNamed(system.urls, databaseRef);
  await system.level(whole);
  const rows = await system.rowsOf(whole);
  const [damaged] = await queryAsSuperuser<{ id: string; tenant: string }>(
    url,
    `update ${schema}.conversations set subject = 'damaged', log_position = log_position + 1
     where id = (select min(id::text)::uuid from ${schema}.conversations) returning id, tenant_id as tenant`,
  );
  await queryAsSuperuser(url, `delete from ${schema}.inbox_message_refs where conversation_id = $1`, [
    damaged?.id,
  ]);
  expect(await system.rowsOf(whole)).not.toEqual(rows);
  const outcome = await refoldSequence({
    ...{ store: system.store, tier: oltpTier, parser: null, schema, signal },
    ...{ tenantId: damaged?.tenant ?? '', sequenceId: damaged?.id ?? '' },
    pool: system.pool(url, 'mailfold_projector'),
  });
  expect(outcome).toMatchObject({ outcome: 'requeued', events: 0 });
  const tables = outcome.outcome === 'requeued' ? outcome.tables : [];
  expect(tables.filter(({ isChanged }) => isChanged).map(({ table }) => table)).toEqual([
    'conversations',
    'inbox_message_refs',
  ]);
  expect(await system.rowsOf(whole)).toEqual(rows);
});
