import { existsSync } from 'node:fs';
import { bulkLoad } from '../../../../apps/shared/rebuilding/bulk-load';
import type { Generation } from '../../../../apps/shared/generations/generations';
import { BulkLoadFixture, type GenerationDigest } from './bulk-load-fixture';

// Differential: whatever way the bulk path takes, its rows are those of the live lanes, to the last bit.

let fixture: BulkLoadFixture;
let live: GenerationDigest[];

beforeAll(async () => {
  fixture = await BulkLoadFixture.start();
  await fixture.writeSample(1_500);
  await fixture.keepLedger();
  live = await digestsOf(await fixture.replayed());
}, 120_000);
afterAll(() => fixture?.stop());

async function digestsOf(generations: readonly Generation[]): Promise<GenerationDigest[]> {
  const digests: GenerationDigest[] = [];
  for (const generation of generations) digests.push(await fixture.digest(generation));
  return digests;
}

describe('a bulk load', () => {
  it.each([1, 2, 7])('into %i shards of each tier makes the rows of the live lanes', async (shards) => {
    const { generations, tiers } = await fixture.toLoad(shards);
    const options = await fixture.options(tiers);
    const outcome = await bulkLoad(options);
    expect(outcome).toMatchObject({ isComplete: true, parkedEvents: 0 });
    expect(outcome.checkpoint?.position).toBe(options.fence);
    expect(await digestsOf(generations)).toEqual(live);
    expect(existsSync(options.spoolFolder)).toBe(false);
    expect(await bulkLoad(options)).toEqual(outcome);
  });
});
