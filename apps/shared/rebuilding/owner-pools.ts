import type { Pool } from 'pg';
import type { TargetToLoad } from './contracts';
import { loaderPool } from './load/loader-pool';

/** Connections of the owners of targets: one pool for each database, whatever lies in it. None is opened before it is used. */
export class OwnerPools {
  private readonly pools = new Map<string, Pool>();

  /** @param connectionsMin for each database; never fewer than targets, each of which may have a transaction open. */
  constructor(
    private readonly tiers: readonly { readonly targets: readonly Pick<TargetToLoad, 'databaseUrl'>[] }[],
    private readonly connectionsMin = 1,
  ) {}

  of(databaseUrl: string): Pool {
    let pool = this.pools.get(databaseUrl);
    if (pool === undefined) {
      const targets = this.tiers
        .flatMap((tier) => tier.targets)
        .filter((target) => target.databaseUrl === databaseUrl);
      pool = loaderPool(databaseUrl, Math.max(this.connectionsMin, targets.length));
      this.pools.set(databaseUrl, pool);
    }
    return pool;
  }

  async close(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.end()));
  }
}
