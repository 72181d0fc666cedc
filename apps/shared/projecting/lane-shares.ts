/** A lane among all lanes of all tiers, as the processes that share them name it. */
export interface SharedLane {
  /** Place of the tier among the tiers. */
  readonly tierIndex: number;
  readonly generation: number;
  readonly shard: number;
  readonly lane: number;
}

/**
 * Whose share a lane is, by turns: everybody computes the same from the same roster, so nothing needs to be agreed upon.
 * The lanes of a target go round, and where each target has but one, the targets, the generations and the tiers do.
 * Undefined for an empty roster. While rosters differ, for a second or so, a lane may be nobody's or two processes want
 * it; leases and epochs see to it that one has it.
 */
export function holderOf(
  roster: readonly string[],
  { tierIndex, generation, shard, lane }: SharedLane,
): string | undefined {
  return roster[(tierIndex + generation + shard + lane) % roster.length];
}
