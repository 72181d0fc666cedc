import { Injectable } from '@nestjs/common';
import type { Cache } from '../../shared/redis/cache';
import { readTiers, type ReadTier } from '../reading/read-tier';
import type { TierReaders } from '../reading/reads';

/** How one tier stands, as a tenant may know it. */
export interface TierStatus {
  readonly tier: ReadTier;
  readonly state: 'serving' | 'unavailable';
  readonly generation?: number;
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
      readTiers.map(async (tier) => [tier, await this.readers[tier].checkpoints().then(yes, no)] as const),
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
    const { rows } = await reader.checkpoints();
    const pin = await reader.pin(tenantId, null, 0);
    const [parked] = await reader.read(pin, tenantId, ({ schema, query }) =>
      query<{ count: number }>(
        'parked-sequences',
        `select count(distinct sequence_id)::int as count from ${schema}.parked_sequences where tenant_id = $1`,
        [tenantId],
      ),
    );
    const latest = rows.map(({ updatedAt }) => updatedAt).sort();
    return {
      tier,
      state: 'serving',
      generation: pin.live.generation,
      position: pin.position === null || pin.position < 0n ? null : String(pin.position),
      events: rows.reduce((sum, { events }) => sum + Number(events), 0),
      progressedAt: latest.at(-1) ?? null,
      parkedSequences: parked?.count ?? 0,
      listening: reader.listening,
    };
  }
}

function yes(): true {
  return true;
}

function no(): false {
  return false;
}
