import type { SlotRange } from '../generations/coverage';
import { divided, holds } from '../generations/coverage';
import type { Bucket, TierToLoad } from './contracts';

/** Each costs a block in every reader's memory and a transaction; finer than this gains nothing. */
const bucketsMax = 256;

/**
 * The slots of all targets, cut at every border of a target and then into about `count` buckets of like width: a bucket
 * belongs to exactly one target of each tier, or to none (and to those of single tenants besides).
 */
export function bucketsFor(tiers: readonly TierToLoad[], count: number): Bucket[] {
  const stretches = stretchesOf(
    tiers.flatMap(({ targets }) => targets.map(({ coverage }) => coverage.slots)),
  );
  const width = stretches.reduce((sum, slots) => sum + widthOf(slots), 0);
  const wanted = Math.min(Math.max(1, count), bucketsMax, width);
  return stretches
    .flatMap((slots) => divided(slots, Math.max(1, Math.round((wanted * widthOf(slots)) / width))))
    .map((slots, index) => ({ index, slots }));
}

/** Index by slot of the bucket that holds it; -1 where none does. */
export function bucketBySlot(buckets: readonly Bucket[], slotCount: number): Int16Array {
  const indexes = new Int16Array(slotCount).fill(-1);
  for (const { index, slots } of buckets) indexes.fill(index, slots.from, slots.to + 1);
  return indexes;
}

/** Between any two neighbouring borders, where at least one of the ranges lies. */
function stretchesOf(ranges: readonly SlotRange[]): SlotRange[] {
  const borders = [...new Set(ranges.flatMap(({ from, to }) => [from, to + 1]))].sort((a, b) => a - b);
  return borders.flatMap((from, index) => {
    const next = borders[index + 1];
    return next !== undefined && ranges.some((range) => holds(range, from)) ? [{ from, to: next - 1 }] : [];
  });
}

function widthOf({ from, to }: SlotRange): number {
  return to - from + 1;
}
