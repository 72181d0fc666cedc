import { overlap, type Coverage } from '../../shared/generations/coverage';
import type { TargetPart } from './target-parts';

/** What notices have told of one lane without a gap. */
interface Heard {
  position: bigint;
  /** Nothing is remembered of tenants that changed at or before this position. */
  base: bigint;
  readonly tenants: Map<string, bigint>;
}

interface Lane {
  coverage: Coverage;
  /** By looking at the checkpoints; which tenants changed on the way is not known. */
  seen: bigint;
  heard: Heard | null;
  rewrites: number;
}

export interface Checkpoint {
  readonly lane: number;
  readonly coverage: Coverage;
  readonly position: bigint;
  /** How often rows behind the position were written again (checkpoints.rewrites). */
  readonly rewrites?: number;
}

/** What a projector tells with each commit. `tenants`: whose rows changed; null when they were too many to list. */
export interface CommitNotice {
  readonly lane: number;
  readonly position: bigint;
  readonly tenants: readonly string[] | null;
  /** As in {@link Checkpoint}. */
  readonly rewrites?: number;
}

/** Whose rows in which slots: lanes that write none of them do not matter to a read. */
export interface Scope {
  readonly tenantId: string;
  readonly ranges: TargetPart['ranges'];
}

const tenantsMax = 50_000;

/** Where a lane stands that has committed nothing yet. */
export const noPosition = -1n;

/**
 * Progress of one target, lane by lane. Three things are made of it: how far a read is certain to see, the version under
 * which a tenant's answers may be cached, and whether a position has been reached.
 */
export class LanePositions {
  private readonly lanes = new Map<number, Lane>();

  /** Whether the checkpoints were looked at since it last was forgotten. */
  get isKnown(): boolean {
    return this.lanes.size > 0;
  }

  /** Position of the lane that has come furthest: no read has shown more. */
  get furthest(): bigint {
    return [...this.lanes.values()].reduce((most, lane) => further(positionOf(lane), most), noPosition);
  }

  /** Lowest position of all lanes that write rows of the scope, `null` while none is known. */
  reached(scope: Scope): bigint | null {
    let least: bigint | null = null;
    for (const lane of this.lanes.values()) {
      if (!writes(lane, scope)) continue;
      const position = positionOf(lane);
      if (least === null || position < least) least = position;
    }
    return least;
  }

  /**
   * Which changes of the tenant are known; `null` while there is a lane of which less has been heard than seen. The version
   * changes with every commit that touched the tenant, and whenever rows are written again, so a value read after asking is at least as new as its version.
   */
  versionOf(scope: Scope): string | null {
    const versions: string[] = [];
    for (const [number, lane] of this.lanes) {
      if (!writes(lane, scope)) continue;
      const { heard, seen } = lane;
      if (heard === null || heard.position < seen) return null;
      const changedAt = heard.tenants.get(scope.tenantId) ?? heard.base;
      versions.push(`${number}:${changedAt}${lane.rewrites === 0 ? '' : `+${lane.rewrites}`}`);
    }
    return versions.length === 0 ? null : versions.join(',');
  }

  /** Which lanes there are, and what they write, has changed. */
  forget(): void {
    this.lanes.clear();
  }

  /** Takes in all checkpoints of the target, read over any connection. */
  look(checkpoints: readonly Checkpoint[]): void {
    const numbers = new Set(checkpoints.map(({ lane }) => lane));
    for (const number of [...this.lanes.keys()]) if (!numbers.has(number)) this.lanes.delete(number);
    for (const checkpoint of [...checkpoints].sort((one, other) => one.lane - other.lane)) {
      const { lane, coverage, position, rewrites = 0 } = checkpoint;
      const known = this.lanes.get(lane);
      if (known === undefined) this.lanes.set(lane, { coverage, seen: position, heard: null, rewrites });
      else
        Object.assign(known, {
          ...{ coverage, seen: further(position, known.seen) },
          rewrites: Math.max(rewrites, known.rewrites),
        });
    }
  }

  /**
   * Takes in all checkpoints of the target, read over the connection that listens. What lies beyond the last notice was
   * never told, or is just being told; either way every tenant counts as changed.
   */
  audit(checkpoints: readonly Checkpoint[]): void {
    this.look(checkpoints);
    for (const { lane, position } of checkpoints) {
      const heard = this.lanes.get(lane)?.heard;
      if (!heard || position > heard.position) this.notice({ lane, position, tenants: null });
    }
  }

  /** False: the lane is a new one, so that nothing is known of the others either until somebody looks. */
  notice({ lane, position, tenants, rewrites = 0 }: CommitNotice): boolean {
    const known = this.lanes.get(lane);
    if (known === undefined) {
      this.forget();
      return false;
    }
    known.rewrites = Math.max(rewrites, known.rewrites);
    const { heard } = known;
    if (heard === null || tenants === null || heard.tenants.size + tenants.length > tenantsMax) {
      const base = further(position, heard?.position);
      known.heard = { position: base, base, tenants: new Map() };
      return true;
    }
    heard.position = further(position, heard.position);
    for (const tenantId of tenants) heard.tenants.set(tenantId, position);
    return true;
  }
}

function writes({ coverage }: Lane, { tenantId, ranges }: Scope): boolean {
  if (coverage.tenantId === null ? coverage.except.includes(tenantId) : coverage.tenantId !== tenantId)
    return false;
  return ranges.some((range) => overlap(range, coverage.slots) !== null);
}

function positionOf({ seen, heard }: Lane): bigint {
  return further(seen, heard?.position);
}

function further(position: bigint, other: bigint | undefined): bigint {
  return other !== undefined && other > position ? other : position;
}
