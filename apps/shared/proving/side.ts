import { allSlots, intersection, overlap, type Coverage, type SlotRange } from '../generations/coverage';
import { partsOf, type Placement, type Target } from '../generations/placement';

/**
 * One of the two that a proof compares: a generation, whatever serves as the proof begins, or what would serve a tenant by
 * its slots if it were not pinned.
 */
export type Side = { readonly generation: number } | 'serving' | 'by-slots';

/** Rows of a target that count for a side. */
export interface SidePart {
  readonly target: Target;
  readonly coverage: Coverage;
}

/** A side does not hold what is to be proved. */
export class NotHeld extends Error {
  override readonly name = 'NotHeld';
}

/**
 * Where a side has the rows of a coverage: each row in one part. Rows that a target holds besides, such as those it has
 * handed over and not shed yet, are in none. Throws {@link NotHeld} where a slot lies in no target, or in two.
 */
export function partsOfSide(placement: Placement, side: Side, coverage: Coverage): SidePart[] {
  const parts = partsHeld(placement, side, coverage);
  const ofAllTenants = parts.filter((part) => part.coverage.tenantId === coverage.tenantId);
  refuseGaps(
    ofAllTenants.map((part) => part.coverage.slots),
    coverage.slots,
    typeof side === 'string' ? placement.tier : `generation ${side.generation} of ${placement.tier}`,
  );
  return parts;
}

function partsHeld(placement: Placement, side: Side, coverage: Coverage): SidePart[] {
  if (side === 'serving') return servingParts(placement, coverage);
  if (side === 'by-slots') return partsBySlots(placement, coverage);
  return generationParts(placement, side.generation, coverage);
}

/** Also where the tenant was given up: its rows may have been brought back there, to be proved before they serve. */
function partsBySlots({ pointers, targets }: Placement, coverage: Coverage): SidePart[] {
  if (coverage.tenantId === null) throw new NotHeld('only one tenant can be proved by its slots');
  return pointers.flatMap(({ slots: served, generation }) =>
    targets.flatMap((target) => {
      const common = overlap(served, target.slots);
      const slots = common === null ? null : overlap(common, coverage.slots);
      const isOther = target.generation !== generation || target.tenantId !== null;
      return slots === null || isOther ? [] : [{ target, coverage: { ...coverage, slots } }];
    }),
  );
}

function generationParts(placement: Placement, generation: number, coverage: Coverage): SidePart[] {
  return placement.targets.flatMap((target) => {
    const slots = overlap(target.slots, coverage.slots);
    if (target.generation !== generation || slots === null || !isHeld(target, coverage)) return [];
    return [{ target, coverage: { ...coverage, slots } }];
  });
}

/** A target may have given up tenants: it does not hold a coverage that has one of them. */
function isHeld({ tenantId, except }: Target, coverage: Coverage): boolean {
  if (coverage.tenantId === null)
    return tenantId === null && except.every((tenant) => coverage.except.includes(tenant));
  return tenantId === null ? !except.includes(coverage.tenantId) : tenantId === coverage.tenantId;
}

/** Tenants with a place of their own are read there, and nowhere else. */
function servingParts(placement: Placement, coverage: Coverage): SidePart[] {
  const { tenantId, except } = coverage;
  if (tenantId !== null) return tenantParts(placement, tenantId, coverage.slots);
  const apart = placement.tenantPointers
    .filter((pointer) => pointer.generation !== null && !except.includes(pointer.tenantId))
    .map((pointer) => pointer.tenantId);
  const shared = placement.pointers.flatMap(({ slots, generation }) => {
    const common = overlap(slots, coverage.slots);
    if (common === null) return [];
    const others = { slots: common, tenantId: null, except: [...except, ...apart] };
    return generationParts(placement, generation, others);
  });
  return [...shared, ...apart.flatMap((tenant) => tenantParts(placement, tenant, coverage.slots))];
}

function tenantParts(placement: Placement, tenantId: string, within: SlotRange): SidePart[] {
  return partsOf(placement, tenantId).flatMap(({ target, slots }) => {
    const common = overlap(slots, within);
    return common === null ? [] : [{ target, coverage: { slots: common, tenantId, except: [] } }];
  });
}

function refuseGaps(ranges: readonly SlotRange[], wanted: SlotRange, name: string): void {
  let next = wanted.from;
  for (const { from, to } of [...ranges].sort((one, other) => one.from - other.from)) {
    if (from !== next) throw new NotHeld(`${name} holds slot ${Math.min(from, next)} nowhere, or twice`);
    next = to + 1;
  }
  if (next !== wanted.to + 1) throw new NotHeld(`${name} does not hold slot ${next}`);
}

/** What both hold, as far as it can be said without a list of all tenants. */
export function commonCoverages(left: readonly Coverage[], right: readonly Coverage[]): Coverage[] {
  return left.flatMap((one) =>
    right.flatMap((other) => {
      const common = intersection(one, other);
      return common === null ? [] : [common];
    }),
  );
}

/** Whether it is every row of a tier. */
export function isWholeTier(coverages: readonly Coverage[]): boolean {
  if (coverages.some(({ tenantId, except }) => tenantId !== null || except.length > 0)) return false;
  return spansAllSlots(coverages);
}

export function spansAllSlots(coverages: readonly Coverage[]): boolean {
  const widths = coverages.map(({ slots }) => slots.to - slots.from + 1);
  return widths.reduce((sum, width) => sum + width, 0) === allSlots.to - allSlots.from + 1;
}
