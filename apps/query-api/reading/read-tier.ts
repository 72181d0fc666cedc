/** The tiers this API reads. The queue tier belongs to the reactor. */
export const readTiers = ['oltp', 'content', 'olap'] as const;
export type ReadTier = (typeof readTiers)[number];

/** A tier cannot answer now: its database is away, or no generation of it serves. Worth another try (503). */
export class TierUnavailable extends Error {
  override readonly name = 'TierUnavailable';

  constructor(
    readonly tier: ReadTier,
    reason: string,
  ) {
    super(`The ${tier} tier cannot answer: ${reason}`);
  }
}

/** A request names a generation that it may not read, or that is not there. */
export class UnknownGeneration extends Error {
  override readonly name = 'UnknownGeneration';

  constructor(
    readonly tier: ReadTier,
    readonly generation: number,
  ) {
    super(`The ${tier} tier has no generation ${generation} to be read`);
  }
}

/** The tier has not reached the position a read asked for, and the wait is over. */
export class PositionNotReached extends Error {
  override readonly name = 'PositionNotReached';

  constructor(
    readonly tier: ReadTier,
    readonly position: bigint,
  ) {
    super(`The ${tier} tier has not reached position ${position} yet`);
  }
}
