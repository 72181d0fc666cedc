import { Injectable } from '@nestjs/common';
import type { Cache } from '../../shared/redis/cache';
import { readTiers, type ReadTier } from '../reading/read-tier';
import type { TierReaders } from '../reading/reads';
import type { PartRows } from '../reading/tenant-rows';

/** For a tier that has just been switched and is behind; what is later counts as away. */
const waitMs = 500;

/** How one tier stands, as a tenant may know it. */
export interface TierStatus {
  readonly tier: ReadTier;
  readonly state: 'serving' | 'unavailable';
  /** Those that serve the asking tenant: several while a switch is under way slot by slot. */
  readonly generations?: readonly number[];
  /** Over how many schemas its rows are spread. */
  readonly targets?: number;
  /** Up to where all its lanes have come. Null: no event yet. */
  readonly position?: string | null;
  readonly events?: number;
  /** When it last came forward. */
  readonly progressedAt?: string | null;
  /** Sequences of the asking tenant that a poison event holds up. */
  readonly parkedSequences?: number;
  /** Whether commits are heard as they happen. If not, nothing is cached. */
  readonly listening: boolean;
}

@Injectable()
export class TierStatuses {
  constructor(
    private readonly readers: TierReaders,
    private readonly cache: Cache,
  ) {}

  /** A tier that is away says so; it fails nobody else's line. */
  async all(tenantId: string): Promise<TierStatus[]> {
    return Promise.all(readTiers.map((tier) => this.of(tier, tenantId).catch(() => this.away(tier))));
  }

  /** Which tiers can be read now. */
  async reachable(): Promise<Record<ReadTier, boolean>> {
    const answers = await Promise.all(
      readTiers.map(async (tier) => [tier, await this.readers[tier].probe().then(yes, no)] as const),
    );
    return Object.fromEntries(answers) as Record<ReadTier, boolean>;
  }

  async cacheState(): Promise<{ kind: Cache['kind']; answers: boolean }> {
    return { kind: this.cache.kind, answers: await this.cache.ping() };
  }

  private away(tier: ReadTier): TierStatus {
    return { tier, state: 'unavailable', listening: this.readers[tier].listening };
  }

  private async of(tier: ReadTier, tenantId: string): Promise<TierStatus> {
    const reader = this.readers[tier];
    const pin = await reader.pin({ tenantId, after: null, timeoutMs: waitMs });
    const { parts, position } = pin;
    const lanes = await Promise.all(parts.map(({ database, target }) => database.look(target.schema)));
    const rows = lanes.flat();
    const parked = await reader.readAll(pin, (all) => all.each(parkedIn));
    const latest = rows.map(({ updatedAt }) => updatedAt).sort();
    return {
      tier,
      state: 'serving',
      generations: [...new Set(parts.map(({ target }) => target.generation))],
      targets: parts.length,
      position: position === null || position < 0n ? null : String(position),
      events: rows.reduce((sum, { events }) => sum + Number(events), 0),
      progressedAt: latest.at(-1) ?? null,
      parkedSequences: parked.reduce((sum, { count }) => sum + count, 0),
      listening: reader.listening,
    };
  }
}

/** A sequence is parked in its own slot. */
function parkedIn({ schema, tenantId, served, query }: PartRows): Promise<{ count: number }[]> {
  return query<{ count: number }>(
    'parked-sequences',
    `select count(distinct sequence_id)::int as count from ${schema}.parked_sequences
     where tenant_id = $1${served()}`,
    [tenantId],
  );
}

function yes(): true {
  return true;
}

function no(): false {
  return false;
}
