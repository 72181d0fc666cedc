import { existsSync } from 'node:fs';
import {
  LogDisagrees,
  PoisonStop,
  type LoadOutcome,
  type LoadProgress,
} from '../../../../apps/shared/rebuilding/contracts';
import { bulkLoad } from '../../../../apps/shared/rebuilding/bulk-load';
import type { Generation } from '../../../../apps/shared/generations/generations';
import { queryAsSuperuser } from '../../../support/postgres';
import { BulkLoadFixture, type GenerationDigest } from './bulk-load-fixture';

// Differential: whatever way the bulk path takes, its rows are those of the live lanes, to the last bit.

let fixture: BulkLoadFixture;
let replayed: Generation[];
let live: GenerationDigest[];

beforeAll(async () => {
  fixture = await BulkLoadFixture.start();
  await fixture.writeSample(700);
  await fixture.keepLedger();
  replayed = await fixture.replayed();
  live = await digestsOf(replayed);
}, 120_000);
afterAll(() => fixture?.stop());

async function digestsOf(generations: readonly Generation[]): Promise<GenerationDigest[]> {
  const digests: GenerationDigest[] = [];
  for (const generation of generations) digests.push(await fixture.digest(generation));
  return digests;
}

describe('a bulk load', () => {
  it.each([1, 7])('into %i shards of each tier makes the rows of the live lanes', async (shards) => {
    const { generations, tiers } = await fixture.toLoad(shards);
    const options = await fixture.options(tiers);
    const outcome = await bulkLoad(options);
    expect(outcome).toMatchObject({ isComplete: true, parkedEvents: 0 });
    expect(outcome.checkpoint?.position).toBe(options.fence);
    expect(await digestsOf(generations)).toEqual(live);
    expect(existsSync(options.spoolFolder)).toBe(false);
    expect(await bulkLoad(options)).toEqual(outcome);
  });

  it('makes them within a bound of memory that holds next to nothing', async () => {
    const { generations, tiers } = await fixture.toLoad(2);
    const memoryMaxBytes = 4_096;
    await bulkLoad(await fixture.optionsInRanges(tiers, { memoryMaxBytes }));
    expect(await digestsOf(generations)).toEqual(live);
  });

  it('goes on after SIGKILL, wherever it was', async () => {
    const { generations, tiers } = await fixture.toLoad(2);
    const options = await fixture.optionsInRanges(tiers);
    let outcome: LoadOutcome | null = null;
    let kills = 0;
    for (let pace = 2; outcome === null; pace += Math.ceil(pace / 2)) {
      outcome = await fixture.loadInProcess(options, pace);
      kills += outcome === null ? 1 : 0;
    }
    expect(kills).toBeGreaterThan(3);
    expect(outcome.isComplete).toBe(true);
    expect(await digestsOf(generations)).toEqual(live);
  });

  it('of one tenant makes the rows of that tenant, and reads no other', async () => {
    const [conversation] = await fixture.rowsOfAll<{ tenantId: string }>(
      replayed[0]!,
      (schema) => `select tenant_id::text as "tenantId" from ${schema}.conversations limit 1`,
    );
    const { tenantId } = conversation!;
    const { generations, tiers } = await fixture.toLoadTenant(tenantId);
    const options = await fixture.optionsInRanges(tiers, { only: { tenantId } });
    const { checkpoint, events } = await bulkLoad(options);
    expect(checkpoint?.position).toBe(options.fence);
    expect(events).toBeLessThan(Number(live[0]!['events']));
    for (const [index, generation] of generations.entries())
      expect(await fixture.rowDigest(generation)).toEqual(
        await fixture.rowDigest(replayed[index]!, tenantId),
      );
  });

  it('of one tenant, in this process alone, goes on after an abort or SIGKILL in any phase', async () => {
    const [user] = await fixture.rowsOfAll<{ tenantId: string }>(
      replayed[0]!,
      (schema) => `select tenant_id::text as "tenantId" from ${schema}.users limit 1`,
    );
    const { tenantId } = user!;
    const { generations, tiers } = await fixture.toLoadTenant(tenantId);
    const { parallelism: _, ...options } = await fixture.optionsInRanges(tiers, { only: { tenantId } });
    for (const phase of ['scan', 'load', 'index']) {
      const stop = new AbortController();
      const onProgress = (progress: LoadProgress) => void (progress.phase === phase && stop.abort());
      const outcome = await bulkLoad({ ...options, signal: stop.signal, onProgress });
      expect(outcome).toMatchObject({ isComplete: false });
      expect(await fixture.loadInProcess(options, 1)).toBeNull();
    }
    expect(await bulkLoad(options)).toMatchObject({ isComplete: true });
    for (const [index, generation] of generations.entries())
      expect(await fixture.rowDigest(generation)).toEqual(
        await fixture.rowDigest(replayed[index]!, tenantId),
      );
  });

  it('is refused by name where it has read other events than the live tail has counted, until both agree', async () => {
    const { generations, tiers } = await fixture.toLoad(1);
    const options = await fixture.options(tiers);
    const counted = (by: 1 | -1): Promise<object[]> =>
      queryAsSuperuser(
        options.log.controlDatabaseUrl ?? '',
        `update log_ledger set census = census || jsonb_build_object('MessageReceived.v1',
           census -> 'MessageReceived.v1' || jsonb_build_object('events', (census -> 'MessageReceived.v1' ->> 'events')::int + $1::int))
         where census ? 'MessageReceived.v1' returning 1`,
        [by],
      );
    expect(await counted(1)).not.toEqual([]);
    const loading = bulkLoad(options);
    await expect(loading).rejects.toThrow(LogDisagrees);
    await expect(loading).rejects.toThrow(/range \d+ of the log, positions .*MessageReceived/);
    await counted(-1);
    expect(await bulkLoad(options)).toMatchObject({ isComplete: true });
    expect(await digestsOf(generations)).toEqual(live);
  });

  it('ends when aborted, goes on when called again, and is refused to another run', async () => {
    const { generations, tiers } = await fixture.toLoad(1);
    const options = await fixture.optionsInRanges(tiers);
    for (const paces of [1, 5, 14]) {
      const stop = new AbortController();
      let left = paces;
      const pace = async () => void ((left -= 1) === 0 && stop.abort());
      expect(await bulkLoad({ ...options, signal: stop.signal, pace })).toMatchObject({ isComplete: false });
    }
    const elsewhere = await fixture.optionsInRanges(tiers);
    await expect(bulkLoad(elsewhere)).rejects.toThrow(/begun by another run/);
    expect(await bulkLoad(options)).toMatchObject({ isComplete: true });
    expect(await digestsOf(generations)).toEqual(live);
  });
});

describe('poison', () => {
  it('stops the load at its first event, by name', async () => {
    const { first } = await fixture.writePoisonedSequences();
    const { tiers } = await fixture.toLoad(1);
    const loading = bulkLoad(await fixture.optionsInRanges(tiers));
    await expect(loading).rejects.toThrow(PoisonStop);
    await expect(loading).rejects.toMatchObject({ poison: { streamName: first, eventType: 'NeverHeardOf' } });
  });

  it.each([1, 2])(
    'is parked in %i shards as by lanes, and what comes behind it has no effect',
    async (shards) => {
      const poisoned = await digestsOf(await fixture.replayed());
      expect(poisoned[0]!['parked']).not.toBe('');
      const { generations, tiers } = await fixture.toLoad(shards);
      const outcome = await bulkLoad(await fixture.optionsInRanges(tiers, { poison: 'collect' }));
      expect(outcome.parkedEvents).toBeGreaterThan(5);
      expect(await digestsOf(generations)).toEqual(poisoned);
    },
  );
});
