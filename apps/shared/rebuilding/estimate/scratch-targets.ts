import type { Tier } from '../../../../projections/projection';
import type { Coverage } from '../../generations/coverage';
import { migrate } from '../../postgres/migrate';
import type { TierToLoad } from '../contracts';
import { bareTables } from '../load/bare-tables';
import { buildIndexes } from '../load/build-indexes';
import { TargetPools, type OpenTarget } from '../target-pools';

/** Where the rows of a tier are to go. */
export interface TierToEstimate {
  readonly tier: Tier;
  readonly targets: readonly {
    /** Logs in as an owner. */
    readonly databaseUrl: string;
    readonly coverage: Coverage;
  }[];
}

const prefix = 'estimate_';
/** Of one estimate at a time in a database; any number of our own. */
const lockKey = 7_305_817_113;

/** Somebody else is estimating in the same database. */
export class EstimateRefused extends Error {
  override readonly name = 'EstimateRefused';
}

/** Schemas like those of a generation, in the databases it would lie in, for the time of an estimate. */
export class ScratchTargets {
  private readonly releases: (() => Promise<void>)[] = [];
  private constructor(
    readonly tiers: readonly TierToLoad[],
    private readonly pools: TargetPools,
  ) {}

  get all(): readonly OpenTarget[] {
    return this.pools.all;
  }

  /** Drops what a killed estimate has left. Throws {@link EstimateRefused} at once where another one is under way. */
  static async make(wanted: readonly TierToEstimate[]): Promise<ScratchTargets> {
    const tiers = wanted.map(({ tier, targets }) => ({
      tier,
      targets: targets.map((target, index) => ({
        ...target,
        generation: 0,
        schema: `${prefix}${tier}_${index}`,
      })),
    }));
    const scratch = new ScratchTargets(tiers, new TargetPools(tiers));
    try {
      await scratch.prepare();
      return scratch;
    } catch (error) {
      await scratch.drop();
      throw error;
    }
  }

  /** Makes the tables bare. Resolves to the seconds that the indexes of empty tables take, which every load pays. */
  async bare(signal: AbortSignal): Promise<number> {
    let seconds = 0;
    for (const { pool, schema, tier } of this.all) {
      await bareTables(pool, schema, tier);
      const begun = performance.now();
      await buildIndexes(pool, schema, tier, { signal });
      seconds += (performance.now() - begun) / 1_000;
      await pool.query(`truncate ${schema}.load_units, ${schema}.deferred_definitions`);
      await bareTables(pool, schema, tier);
    }
    return seconds;
  }

  /** Repeatable; what it cannot reach the next estimate drops. */
  async drop(): Promise<void> {
    const isOurs = this.releases.length > 0;
    if (isOurs)
      await Promise.allSettled(
        this.all.map(({ pool, schema }) => pool.query(`drop schema if exists ${schema} cascade`)),
      );
    for (const release of this.releases.splice(0)) await release();
    await this.pools.close();
  }

  private async prepare(): Promise<void> {
    for (const url of new Set(this.all.map(({ databaseUrl }) => databaseUrl))) await this.lock(url);
    for (const { pool, schema, databaseUrl, coverage, tier } of this.all) {
      await migrate(databaseUrl, tier.tier, { schema });
      await pool.query(
        `insert into ${schema}.checkpoints (lane, slot_from, slot_to, only_tenant) values (0, $1, $2, $3)`,
        [coverage.slots.from, coverage.slots.to, coverage.tenantId],
      );
    }
  }

  private async lock(url: string): Promise<void> {
    const pool = this.all.find(({ databaseUrl }) => databaseUrl === url)!.pool;
    const client = await pool.connect();
    this.releases.push(async () => client.release(true));
    const { rows } = await client.query<{ isOurs: boolean }>('select pg_try_advisory_lock($1) as "isOurs"', [
      lockKey,
    ]);
    if (rows[0]?.isOurs !== true) {
      client.release();
      this.releases.pop();
      throw new EstimateRefused('another estimate is under way in the same database');
    }
    const stale = await client.query<{ name: string }>(
      `select nspname as name from pg_namespace where nspname like '${prefix.replace('_', '\\_')}%'`,
    );
    for (const { name } of stale.rows) await client.query(`drop schema ${name} cascade`);
  }
}
