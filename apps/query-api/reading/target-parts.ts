import { allSlots, overlap, type SlotRange } from '../../shared/generations/coverage';
import type { Generation } from '../../shared/generations/generations';
import { partsOf, type Placement, type ServedPart, type Target } from '../../shared/generations/placement';

/** What one target serves of a tenant: with it one statement reads all of that, and nothing else. */
export interface TargetPart {
  readonly target: Target;
  /** In order. */
  readonly ranges: readonly SlotRange[];
  /** Serves all it holds of the tenant, so that its rows need no look at their slot. */
  readonly isWhole: boolean;
}

/** One part for each target, in the order of their slots. */
export function partsByTarget(served: readonly ServedPart[]): TargetPart[] {
  const ranges = new Map<Target, SlotRange[]>();
  for (const { target, slots } of served) ranges.set(target, [...(ranges.get(target) ?? []), slots]);
  return [...ranges].map(([target, its]) => ({
    target,
    ranges: its,
    isWhole: its.length === 1 && its[0]?.from === target.slots.from && its[0].to === target.slots.to,
  }));
}

/** The parts of a tenant in one generation, whatever serves. `null` when it does not hold all of the tenant. */
export function allPartsOf(
  { tier, generation, targets }: Generation,
  tenantId: string,
): readonly TargetPart[] | null {
  const pointers = [{ slots: allSlots, generation, previousGeneration: null }];
  try {
    return partsByTarget(partsOf({ tier, epoch: 0, pointers, tenantPointers: [], targets }, tenantId));
  } catch {
    return null;
  }
}

/**
 * The parts of a tenant as they would be if the generation served all it holds: a re-partition makes anew only the slots
 * that move, and what it is to be held against is the whole that comes of it.
 */
export function partsAsIfServing(
  { tier, generation, targets }: Generation,
  placement: Placement,
  tenantId: string,
): readonly TargetPart[] {
  const own = targets.filter((target) => target.tenantId === null).map(({ slots }) => slots);
  const isOwn = targets.some((target) => target.tenantId === tenantId);
  const others = placement.tenantPointers.filter((pointer) => pointer.tenantId !== tenantId || !isOwn);
  const mine = { tier, tenantId, generation, previousGeneration: null };
  return partsByTarget(
    partsOf(
      {
        ...placement,
        pointers: placement.pointers.flatMap((pointer) =>
          cutAt(pointer.slots, own).map((slots) => ({
            ...pointer,
            ...{
              slots,
              generation: own.some((its) => overlap(its, slots)) ? generation : pointer.generation,
            },
          })),
        ),
        tenantPointers: isOwn ? [...others, mine] : others,
        targets: [...placement.targets.filter((target) => target.generation !== generation), ...targets],
      },
      tenantId,
    ),
  );
}

/** The range in pieces, each inside one of the others or outside of all. */
function cutAt({ from, to }: SlotRange, others: readonly SlotRange[]): SlotRange[] {
  const starts = others.flatMap((other) => [other.from, other.to + 1]);
  const inside = [...new Set(starts)].filter((start) => start > from && start <= to);
  const cuts = [from, ...inside.sort((one, other) => one - other)];
  return cuts.map((start, index) => ({ from: start, to: (cuts[index + 1] ?? to + 1) - 1 }));
}

/** SQL for a condition on rows of the part, or '' where all rows are meant. */
export function onlyServed({ ranges, isWhole }: TargetPart, column = 'slot'): string {
  if (isWhole) return '';
  const conditions = ranges.map(({ from, to }) => `${column} between ${from} and ${to}`);
  return ` and (${conditions.join(' or ')})`;
}
