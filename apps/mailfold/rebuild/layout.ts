import { allSlots, divided, overlap, type SlotRange } from '../../shared/generations/coverage';
import type { TargetToMake } from '../../shared/generations/generations';
import { partsOf, type Placement } from '../../shared/generations/placement';
import { rangesOf, refoldedConversation, type RunSpec } from './run-spec';

/** Slots that change their place, and where they lie until then. */
export interface MovingSlots {
  readonly slots: SlotRange;
  readonly from: { readonly generation: number; readonly databaseRef: string; readonly schema: string };
  readonly to: string;
}

/** What a run makes of one tier. */
export interface TierLayout {
  /** Of the generation to make; none when a tenant returns to its slots, a conversation is folded again in place, or everything is where it should be. */
  readonly targets: readonly TargetToMake[];
  readonly moving: readonly MovingSlots[];
}

/** Stands for all tenants without a pointer of their own. */
const anyTenant = '00000000-0000-0000-0000-000000000000';

interface Part {
  readonly slots: SlotRange;
  readonly databaseRef: string;
  readonly schema: string;
  readonly generation: number;
  /** Tenants that it has given up. */
  readonly except: readonly string[];
}

/** Where the rows of all tenants, or of one, are served from now. */
export function servedParts(placement: Placement, tenantId: string = anyTenant): Part[] {
  return partsOf(placement, tenantId).map(({ target, slots }) => ({
    slots,
    databaseRef: target.databaseRef,
    schema: target.schema,
    generation: target.generation,
    except: target.except,
  }));
}

/** The targets that a run has to make for a tier, given what serves now. Pure, so that a plan can be compared with today. */
export function layoutOf(spec: RunSpec, placement: Placement): TierLayout {
  const { targets, moving } = wholeLayout(spec, placement);
  const isAsOf = spec.kind === 'rebuild' && spec.asOf !== undefined;
  return { moving, targets: isAsOf ? targets : withoutGivenUp(targets, servedParts(placement)) };
}

/** A tenant that has a place of its own stays there: what is made of shared targets leaves out whom all of these have given up. */
function withoutGivenUp(targets: readonly TargetToMake[], parts: readonly Part[]): TargetToMake[] {
  return targets.map((target) => {
    const { slots, tenantId } = target.coverage;
    const [first, ...others] = parts.filter((part) => overlap(part.slots, slots) !== null);
    const except = (first?.except ?? []).filter((tenant) =>
      others.every((other) => other.except.includes(tenant)),
    );
    return tenantId !== null || except.length === 0
      ? target
      : { ...target, coverage: { slots, tenantId, except } };
  });
}

function wholeLayout(spec: RunSpec, placement: Placement): TierLayout {
  if (refoldedConversation(spec) !== null) return { targets: [], moving: [] };
  const ranges = rangesOf(0, spec);
  if (ranges !== null) return joinedLayout(ranges.map((range) => layoutOf(range, placement)));
  const parts = servedParts(placement, spec.tenantId);
  if (spec.kind === 'rebuild') return moved(parts, rebuiltTargets(spec, parts));
  if (spec.shards !== undefined) return resharded(parts, wantedShards(spec.shards, spec.databases, parts));
  if (spec.back === true) return returned(parts, servedParts(placement));
  if (spec.tenantId !== undefined) {
    return moved(parts, [
      { databaseRef: spec.to ?? '', coverage: { slots: allSlots, tenantId: spec.tenantId } },
    ]);
  }
  return moved(parts, copyOf(parts));
}

function joinedLayout(layouts: readonly TierLayout[]): TierLayout {
  return {
    targets: layouts.flatMap(({ targets }) => targets),
    moving: layouts.flatMap(({ moving }) => moving),
  };
}

/** Nothing is made: the rows go to targets that there are. */
function returned(pinned: readonly Part[], bySlots: readonly Part[]): TierLayout {
  const moving = pinned.flatMap((part) =>
    bySlots.flatMap(({ slots: its, generation, databaseRef }) => {
      const slots = part.generation === generation ? null : overlap(part.slots, its);
      return slots ? [{ slots, from: placeOf(part), to: databaseRef }] : [];
    }),
  );
  return { targets: [], moving };
}

function rebuiltTargets(spec: Extract<RunSpec, { kind: 'rebuild' }>, parts: readonly Part[]): TargetToMake[] {
  const { databases, slots = allSlots, tenantId = null } = spec;
  if (databases !== undefined)
    return divided(slots, databases.length).map((range, shard) => ({
      databaseRef: databases[shard] ?? '',
      coverage: { slots: range, tenantId },
    }));
  if (tenantId !== null)
    return [{ databaseRef: parts[0]?.databaseRef ?? '', coverage: { slots: allSlots, tenantId } }];
  return copyOf(parts).flatMap((target) => {
    const common = overlap(target.coverage.slots, slots);
    return common ? [{ ...target, coverage: { slots: common, tenantId: null } }] : [];
  });
}

/** The same shards once more; parts side by side in one database become one. */
function copyOf(parts: readonly Part[]): TargetToMake[] {
  const targets: TargetToMake[] = [];
  for (const { databaseRef, slots } of parts) {
    const last = targets.at(-1);
    if (last?.databaseRef === databaseRef)
      targets[targets.length - 1] = {
        databaseRef,
        coverage: { slots: { from: last.coverage.slots.from, to: slots.to }, tenantId: null },
      };
    else targets.push({ databaseRef, coverage: { slots, tenantId: null } });
  }
  return targets;
}

function moved(parts: readonly Part[], targets: readonly TargetToMake[]): TierLayout {
  const moving = targets.flatMap(({ databaseRef, coverage }) =>
    parts.flatMap((part) => {
      const slots = overlap(part.slots, coverage.slots);
      return slots ? [{ slots, from: placeOf(part), to: databaseRef }] : [];
    }),
  );
  return { targets, moving };
}

interface Shard {
  readonly databaseRef: string;
  /** How many slots it is to have. */
  readonly share: number;
}

function wantedShards(
  count: number,
  databases: readonly string[] | undefined,
  parts: readonly Part[],
): Shard[] {
  const refs = databases ?? [...new Set(parts.map(({ databaseRef }) => databaseRef))];
  return divided(allSlots, count).map(({ from, to }, shard) => ({
    databaseRef: refs[shard % refs.length] ?? '',
    share: to - from + 1,
  }));
}

/**
 * As few slots as possible move: each target that serves now becomes one of the wanted shards of its database and keeps
 * what fits of its slots, lowest first; the rest fills the shards that lack some.
 */
function resharded(parts: readonly Part[], shards: readonly Shard[]): TierLayout {
  const lacking = shards.map(({ share }) => share);
  const shardOf = new Map<string, number | null>();
  const leaving: Part[] = [];
  for (const part of parts) {
    const target = `${part.databaseRef} ${part.schema}`;
    const shard = shardOf.has(target) ? (shardOf.get(target) ?? null) : freeShard(part, shards, shardOf);
    shardOf.set(target, shard);
    const width = part.slots.to - part.slots.from + 1;
    const kept = shard === null ? 0 : Math.min(width, lacking[shard] ?? 0);
    if (shard !== null) lacking[shard] = (lacking[shard] ?? 0) - kept;
    if (kept < width) leaving.push({ ...part, slots: { from: part.slots.from + kept, to: part.slots.to } });
  }
  return filled(leaving, shards, lacking);
}

function freeShard(
  { databaseRef }: Part,
  shards: readonly Shard[],
  taken: ReadonlyMap<string, number | null>,
): number | null {
  const used = new Set(taken.values());
  const free = shards.findIndex((shard, index) => shard.databaseRef === databaseRef && !used.has(index));
  return free === -1 ? null : free;
}

function filled(leaving: readonly Part[], shards: readonly Shard[], lacking: number[]): TierLayout {
  const moving: (MovingSlots & { shard: number })[] = [];
  for (const part of leaving) {
    let from = part.slots.from;
    while (from <= part.slots.to) {
      const shard = lacking.findIndex((count) => count > 0);
      const to = Math.min(part.slots.to, from + (lacking[shard] ?? 0) - 1);
      lacking[shard] = (lacking[shard] ?? 0) - (to - from + 1);
      moving.push({
        shard,
        slots: { from, to },
        from: placeOf(part),
        to: shards[shard]?.databaseRef ?? '',
      });
      from = to + 1;
    }
  }
  return { targets: targetsFor(moving), moving: moving.map(({ slots, from, to }) => ({ slots, from, to })) };
}

/** One target for neighbouring slots of one shard. */
function targetsFor(moving: readonly (MovingSlots & { shard: number })[]): TargetToMake[] {
  const targets: (TargetToMake & { shard: number })[] = [];
  for (const { shard, slots, to: databaseRef } of [...moving].sort((a, b) => a.slots.from - b.slots.from)) {
    const last = targets.at(-1);
    if (last !== undefined && last.shard === shard && last.coverage.slots.to + 1 === slots.from)
      targets[targets.length - 1] = {
        ...last,
        coverage: { slots: { from: last.coverage.slots.from, to: slots.to }, tenantId: null },
      };
    else targets.push({ shard, databaseRef, coverage: { slots, tenantId: null } });
  }
  return targets.map(({ databaseRef, coverage }) => ({ databaseRef, coverage }));
}

function placeOf({ generation, databaseRef, schema }: Part): MovingSlots['from'] {
  return { generation, databaseRef, schema };
}
