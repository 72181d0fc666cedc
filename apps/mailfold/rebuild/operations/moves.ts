import { allSlots, overlap, type SlotRange } from '../../../shared/generations/coverage';
import type { Generation } from '../../../shared/generations/generations';
import { wayBack, type Move, type Placement } from '../../../shared/generations/placement';
import { RunRefused } from '../run-states';

/** What part of a run's generations a cut-over moves; all of it when nothing is named. */
export interface CutOverScope {
  readonly slots?: SlotRange;
  readonly tenantId?: string;
}

/**
 * The moves that let a generation serve what it holds, or the part of it that is asked for. Throws {@link RunRefused} when
 * that part is not in it.
 */
export function movesTo({ generation, targets, run }: Generation, scope: CutOverScope = {}): Move[] {
  const [pinned] = targets.flatMap(({ tenantId }) => (tenantId === null ? [] : [tenantId]));
  if (pinned !== undefined) {
    if (scope.slots !== undefined || (scope.tenantId !== undefined && scope.tenantId !== pinned))
      throw new RunRefused(`generation ${generation} holds tenant ${pinned} alone`, run);
    return [{ tenantId: pinned, to: generation }];
  }
  if (scope.tenantId !== undefined) {
    if (targets.reduce((sum, { slots }) => sum + width(slots), 0) !== width(allSlots))
      throw new RunRefused(`generation ${generation} does not hold all slots of a tenant`, run);
    return [{ tenantId: scope.tenantId, to: generation }];
  }
  const moves = targets.flatMap(({ slots }) => {
    const common = overlap(slots, scope.slots ?? allSlots);
    return common ? [{ slots: common, to: generation }] : [];
  });
  const found = moves.reduce((sum, { slots }) => sum + width(slots), 0);
  if (found === 0 || (scope.slots !== undefined && found !== width(scope.slots)))
    throw new RunRefused(
      `generation ${generation} holds slots ${targets.map(({ slots }) => `${slots.from}-${slots.to}`).join(', ')}`,
      run,
    );
  return moves;
}

/** Without the slots and tenants that the generation serves already. */
export function movesLeft(moves: readonly Move[], placement: Placement): Move[] {
  return moves.flatMap((move): Move[] => {
    if ('tenantId' in move) {
      const pointer = placement.tenantPointers.find(({ tenantId }) => tenantId === move.tenantId);
      return pointer?.generation === move.to ? [] : [move];
    }
    return placement.pointers.flatMap(({ slots, generation }) => {
      const common = generation === move.to ? null : overlap(slots, move.slots);
      return common ? [{ slots: common, to: move.to }] : [];
    });
  });
}

/** The first `count` slots of what is to be moved; a tenant moves whole. */
export function firstSlots(moves: readonly Move[], count: number): Move[] {
  const first: Move[] = [];
  let left = count;
  for (const move of moves) {
    if (left === 0) break;
    if ('tenantId' in move) return [move];
    const taken = Math.min(left, width(move.slots));
    first.push({ slots: { from: move.slots.from, to: move.slots.from + taken - 1 }, to: move.to });
    left -= taken;
  }
  return first;
}

/**
 * Tenants that were switched ahead of all others are served by their slots again with the moves that let the generation serve
 * all slots, or they would stay behind at the next switch.
 */
export function overtaken(
  { generation }: Pick<Generation, 'generation'>,
  { pointers, tenantPointers, targets }: Placement,
  moves: readonly Move[],
): Move[] {
  const left = pointers.filter((pointer) => pointer.generation !== generation).map(({ slots }) => slots);
  const moved = moves.flatMap((move) => ('slots' in move ? [move.slots] : []));
  if (moved.length === 0 || widthOf(moved) !== widthOf(left)) return [];
  const pinned = targets.filter((target) => target.generation === generation).map(({ tenantId }) => tenantId);
  return tenantPointers
    .filter((pointer) => pointer.generation === generation && !pinned.includes(pointer.tenantId))
    .map(({ tenantId }) => ({ tenantId, to: null }));
}

/** Which generations would serve again if this one were rolled back. */
export function servedBefore(placement: Placement, generation: number): number[] {
  const bySlots = placement.pointers.map((pointer) => pointer.generation);
  const before = wayBack(placement, generation).flatMap(({ to }) => (to === null ? bySlots : [to]));
  return [...new Set(before)];
}

function widthOf(ranges: readonly SlotRange[]): number {
  return ranges.reduce((sum, range) => sum + width(range), 0);
}

function width({ from, to }: SlotRange): number {
  return to - from + 1;
}
