/** What notices have told of one lane without a gap. */
interface Heard {
  position: bigint;
  /** Nothing is remembered of tenants that changed at or before this position. */
  base: bigint;
  readonly tenants: Map<string, bigint>;
}

interface Lane {
  /** By looking at the checkpoints; which tenants changed on the way is not known. */
  seen: bigint;
  heard: Heard | null;
}

export interface Checkpoint {
  readonly lane: number;
  readonly position: bigint;
}

/** What a projector tells with each commit. `tenants`: whose rows changed; null when they were too many to list. */
export interface CommitNotice extends Checkpoint {
  readonly tenants: readonly string[] | null;
}

const tenantsMax = 50_000;

/** Where a lane stands that has committed nothing yet. */
export const noPosition = -1n;

/**
 * Progress of one generation of a tier, lane by lane. Three things are made of it: how far a read is certain to see, the
 * version under which a tenant's answers may be cached, and whether a position has been reached.
 */
export class LanePositions {
  private readonly lanes = new Map<number, Lane>();

  /** Lowest position of all lanes, `null` while none is known. */
  get position(): bigint | null {
    return lowest([...this.lanes.values()].map((lane) => further(lane.seen, lane.heard?.position)));
  }

  /**
   * Which changes of the tenant are known, and up to where; `null` while a lane has not been heard. The version changes
   * with every commit that touched the tenant, so a value read after asking is at least as new as its version.
   */
  versionOf(tenantId: string): { readonly version: string; readonly position: bigint } | null {
    const parts: string[] = [];
    const positions: bigint[] = [];
    for (const [number, { heard }] of [...this.lanes].sort(([left], [right]) => left - right)) {
      if (heard === null) return null;
      parts.push(`${number}:${heard.tenants.get(tenantId) ?? heard.base}`);
      positions.push(heard.position);
    }
    const position = lowest(positions);
    return position === null ? null : { version: parts.join(','), position };
  }

  /** Takes in checkpoints that were read over any connection. */
  look(checkpoints: readonly Checkpoint[]): void {
    for (const { lane, position } of checkpoints) {
      const known = this.lanes.get(lane);
      if (known === undefined) this.lanes.set(lane, { seen: position, heard: null });
      else known.seen = further(position, known.seen);
    }
  }

  /**
   * Takes in checkpoints that were read over the connection that listens. What lies beyond the last notice was never
   * told, or is just being told; either way every tenant counts as changed.
   */
  audit(checkpoints: readonly Checkpoint[]): void {
    for (const { lane, position } of checkpoints) {
      const heard = this.lanes.get(lane)?.heard;
      if (!heard || position > heard.position) this.notice({ lane, position, tenants: null });
    }
  }

  notice({ lane, position, tenants }: CommitNotice): void {
    const known = this.lanes.get(lane) ?? { seen: position, heard: null };
    this.lanes.set(lane, known);
    const { heard } = known;
    if (heard === null || tenants === null || heard.tenants.size + tenants.length > tenantsMax) {
      const base = further(position, heard?.position);
      known.heard = { position: base, base, tenants: new Map() };
      return;
    }
    heard.position = further(position, heard.position);
    for (const tenantId of tenants) heard.tenants.set(tenantId, position);
  }
}

function further(position: bigint, other: bigint | undefined): bigint {
  return other !== undefined && other > position ? other : position;
}

function lowest(positions: readonly bigint[]): bigint | null {
  return positions.reduce<bigint | null>(
    (least, position) => (least === null || position < least ? position : least),
    null,
  );
}
