import type { Pool } from 'pg';
import type { DatabaseUrls } from '../shared/generations/generations';
import { createPool } from '../shared/postgres/pool';
import { UnsafeDatabase } from '../shared/postgres/self-check';
import type { Logger } from '../shared/process/log';
import type { QueryApiConfig } from './query-api-config';
import { Placements } from './reading/placements';
import { readTiers, TierUnavailable, type ReadTier } from './reading/read-tier';
import type { TierReaders } from './reading/reads';
import { TierDatabase } from './reading/tier-database';
import { TierReader } from './reading/tier-reader';

const connectionTimeoutMs = 1_000;

export interface Tiers {
  readonly readers: TierReaders;
  close(): Promise<void>;
}

/**
 * One pool per database of a tier, opened when the placement first names it, so that a slow tier holds up nobody else (reliability.md F7). A database that is away now is
 * waited for by those who need it. Throws UnsafeDatabase when one is there and not safe to serve from.
 */
export async function openTiers(config: QueryApiConfig, urls: DatabaseUrls, log: Logger): Promise<Tiers> {
  const pools: Pool[] = [];
  const open = (url: string, name: string, maxConnections: number, role?: string): Pool => {
    const pool = createPool(url, {
      applicationName: `mailfold-query-${name}`,
      ...(role === undefined ? {} : { role }),
      maxConnections,
      statementTimeoutMs: config.READ_TIMEOUT_MS,
      // The server's own bound comes first, so that a slow statement costs no connection.
      queryTimeoutMs: config.READ_TIMEOUT_MS + 200,
      connectionTimeoutMs,
      onConnectionLost: (error) => log.warn({ err: error, database: name }, 'connection lost'),
    });
    pools.push(pool);
    return pool;
  };
  const placements = new Placements(
    open(config.CONTROL_DATABASE_URL, 'control', 2),
    open(config.CONTROL_DATABASE_URL, 'control-listen', 1),
    log,
  );
  const reader = (tier: ReadTier): TierReader =>
    new TierReader(
      tier,
      placements,
      (databaseRef, onNews) => {
        const url = urls.get(databaseRef);
        if (url === undefined)
          throw new TierUnavailable(tier, `${databaseRef} is not set, and rows of it lie there`);
        const name = databaseRef.toLowerCase().replace('_database_url', '').replace('_', '-');
        const pool = open(url, name, config.TIER_CONNECTIONS_MAX, 'mailfold_reader');
        const listenPool = open(url, `${name}-listen`, 1, 'mailfold_reader');
        return new TierDatabase({ databaseRef, tier, pool, listenPool, onNews, log });
      },
      log,
    );
  const readers: TierReaders = { oltp: reader('oltp'), content: reader('content'), olap: reader('olap') };
  const close = async (): Promise<void> => {
    await Promise.all([placements.close(), ...readTiers.map((tier) => readers[tier].close())]);
    await Promise.all(pools.map((pool) => pool.end()));
  };
  try {
    await Promise.all(readTiers.map((tier) => checkedAtStart(readers[tier], log)));
  } catch (error) {
    await close();
    throw error;
  }
  placements.start();
  return { readers, close };
}

async function checkedAtStart(reader: TierReader, log: Logger): Promise<void> {
  try {
    await reader.check();
  } catch (error) {
    if (error instanceof UnsafeDatabase) throw error;
    // It is checked before its first read, whenever it comes.
    log.warn({ err: error, tier: reader.tier }, 'a tier is not there yet');
  }
}
