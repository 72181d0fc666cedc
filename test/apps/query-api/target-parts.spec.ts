import { partsAsIfServing } from '../../../apps/query-api/reading/target-parts';
import type { Generation } from '../../../apps/shared/generations/generations';
import type { Placement, Target } from '../../../apps/shared/generations/placement';

const tenantId = '11111111-1111-4111-8111-111111111111';
const another = '22222222-2222-4222-8222-222222222222';

function target(generation: number, from: number, to: number, ofTenant: string | null = null): Target {
  return {
    ...{
      tier: 'oltp',
      generation,
      shard: 0,
      databaseRef: 'OLTP_DATABASE_URL',
      schema: `g${generation}s${from}`,
    },
    ...{ slots: { from, to }, tenantId: ofTenant, except: [] },
  };
}

function placement(...tenantPointers: Placement['tenantPointers']): Placement {
  return {
    ...{ tier: 'oltp', epoch: 3, tenantPointers, targets: [target(1, 0, 4095), target(4, 0, 4095, another)] },
    pointers: [{ slots: { from: 0, to: 4095 }, generation: 1, previousGeneration: null }],
  } as unknown as Placement;
}

function made(...targets: Target[]): Generation {
  return { tier: 'oltp', generation: 2, state: 'tailing', targets } as unknown as Generation;
}

function told(parts: ReturnType<typeof partsAsIfServing>): string[] {
  return parts.map(
    ({ target: { schema }, ranges }) =>
      `${schema}: ${ranges.map(({ from, to }) => `${from}-${to}`).join(', ')}`,
  );
}

describe('what would serve a tenant', () => {
  it('is a part of the new generation, and what serves now for the rest, on both sides of it', () => {
    const generation = made(target(2, 1024, 2047), target(2, 2048, 3071));
    expect(told(partsAsIfServing(generation, placement(), tenantId))).toEqual([
      'g1s0: 0-1023, 3072-4095',
      'g2s1024: 1024-2047',
      'g2s2048: 2048-3071',
    ]);
  });

  it('is the new generation alone where that holds all', () => {
    const generation = made(target(2, 0, 2047), target(2, 2048, 4095));
    expect(told(partsAsIfServing(generation, placement(), tenantId))).toEqual([
      'g2s0: 0-2047',
      'g2s2048: 2048-4095',
    ]);
  });

  it('is the place of its own that is made for it, which no other tenant sees', () => {
    const generation = made(target(2, 0, 4095, tenantId));
    expect(told(partsAsIfServing(generation, placement(), tenantId))).toEqual(['g2s0: 0-4095']);
    expect(told(partsAsIfServing(generation, placement(), another))).toEqual(['g1s0: 0-4095']);
  });

  it('stays the place of its own that it has, when others move', () => {
    const pinned = { tier: 'oltp', tenantId: another, generation: 4, previousGeneration: null } as const;
    const generation = made(target(2, 0, 4095));
    expect(told(partsAsIfServing(generation, placement(pinned), another))).toEqual(['g4s0: 0-4095']);
  });
});
