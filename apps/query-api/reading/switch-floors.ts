import { overlap } from '../../shared/generations/coverage';
import type { Target } from '../../shared/generations/placement';
import { noPosition } from './lane-positions';
import type { TierPlacement } from './placements';
import type { TargetPart } from './target-parts';

/**
 * From which position on a target may serve what another has served before it: whoever has read there must not be shown an
 * older state. A cut-over sees to that for all who read; this holds also for one that was forced.
 */
export class SwitchFloors {
  /** By schema. */
  private floors = new Map<string, bigint>();

  /** Taken in at a switch. `furthest`: how far a target is known to have come, so that no read of it has shown more. */
  raise(before: TierPlacement, after: TierPlacement, furthest: (target: Target) => bigint): void {
    if (before.placement.epoch === after.placement.epoch || before.placement.pointers.length === 0) return;
    const raised = new Map(this.floors);
    for (const group of new Set([...before.tenantGroups, ...after.tenantGroups])) {
      const earlier = before.servingParts(group);
      for (const { target, ranges } of after.servingParts(group)) {
        const replaced = earlier.filter(
          (part) => part.target.schema !== target.schema && rangesMeet(part.ranges, ranges),
        );
        const reached = replaced.flatMap((part) => [
          furthest(part.target),
          this.floors.get(part.target.schema) ?? noPosition,
        ]);
        raised.set(target.schema, greatest([raised.get(target.schema) ?? noPosition, ...reached]));
      }
    }
    const known = new Set(after.placement.targets.map(({ schema }) => schema));
    this.floors = new Map([...raised].filter(([schema]) => known.has(schema)));
  }

  under(parts: readonly TargetPart[]): bigint {
    if (this.floors.size === 0) return noPosition;
    return greatest(parts.map(({ target }) => this.floors.get(target.schema) ?? noPosition));
  }
}

function rangesMeet(some: TargetPart['ranges'], others: TargetPart['ranges']): boolean {
  return some.some((one) => others.some((other) => overlap(one, other) !== null));
}

function greatest(positions: readonly bigint[]): bigint {
  return positions.reduce((most, position) => (position > most ? position : most), noPosition);
}
