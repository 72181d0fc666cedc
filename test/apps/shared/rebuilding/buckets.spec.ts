import * as fc from 'fast-check';
import { allSlots, divided, wholeTier } from '../../../../apps/shared/generations/coverage';
import { bucketBySlot, bucketsFor } from '../../../../apps/shared/rebuilding/buckets';
import type { TierToLoad } from '../../../../apps/shared/rebuilding/contracts';
import { slotCount } from '../../../../domain/slot';

function tierOf(tier: TierToLoad['tier'], ranges: readonly { from: number; to: number }[]): TierToLoad {
  const targets = ranges.map((slots) => ({
    ...{ generation: 1, schema: 'g1', databaseUrl: '' },
    coverage: { ...wholeTier, slots },
  }));
  return { tier, targets };
}

it('cover all slots once and cross no border of a target, however tiers are divided', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 40 }),
      fc.integer({ min: 1, max: 300 }),
      (one, other, count) => {
        const tiers = [tierOf('oltp', divided(allSlots, one)), tierOf('olap', divided(allSlots, other))];
        const buckets = bucketsFor(tiers, count);
        expect(buckets.at(-1)?.slots.to).toBe(slotCount - 1);
        const gaps = buckets.filter(
          ({ index, slots }, n) => index !== n || slots.from !== (buckets[n - 1]?.slots.to ?? -1) + 1,
        );
        expect(gaps).toEqual([]);
        const borders = tiers.flatMap(({ targets }) => targets.map(({ coverage }) => coverage.slots.from));
        const crossed = buckets.filter(({ slots }) =>
          borders.some((border) => slots.from < border && border <= slots.to),
        );
        expect(crossed).toEqual([]);
      },
    ),
  );
});

it('are as many as asked for where there is one target', () => {
  expect(bucketsFor([tierOf('oltp', [allSlots])], 16)).toHaveLength(16);
  expect(bucketsFor([tierOf('oltp', [allSlots])], 0)).toHaveLength(1);
  expect(bucketsFor([tierOf('oltp', [{ from: 5, to: 5 }])], 16)).toHaveLength(1);
});

it('leave out slots that no target holds', () => {
  const buckets = bucketsFor(
    [
      tierOf('oltp', [
        { from: 10, to: 19 },
        { from: 30, to: 39 },
      ]),
    ],
    4,
  );
  const bySlot = bucketBySlot(buckets, slotCount);
  const held = Array.from(bySlot.entries()).filter(([, bucket]) => bucket >= 0);
  expect(held.map(([slot]) => slot)).toEqual(
    [...Array(10).keys()].flatMap((n) => [10 + n, 30 + n]).sort((a, b) => a - b),
  );
  for (const [slot, bucket] of held) {
    const { from, to } = buckets[bucket]!.slots;
    expect(slot >= from && slot <= to).toBe(true);
  }
});
