import type { Pool } from 'pg';
import { createPool } from '../shared/postgres/pool';
import { UnsafeDatabase } from '../shared/postgres/self-check';
import type { Logger } from '../shared/process/log';
import type { QueryApiConfig } from './query-api-config';
import { LiveGenerations } from './reading/live-generations';
import { readTiers, type ReadTier } from './reading/read-tier';
import type { TierReaders } from './reading/reads';
import { TierReader } from './reading/tier-reader';

const connectionTimeoutMs = 1_000;

export interface Tiers {
  readonly readers: TierReaders;
  close(): Promise<void>;
}

/**
 * One pool per database, so that a slow tier holds up nobody else (reliability.md F7). A database that is away now is
 * waited for by those who need it. Throws UnsafeDatabase when one is there and not safe to serve from.
 */
export async function openTiers(config: QueryApiConfig, log: Logger): Promise<Tiers> {
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
  const urls: Record<ReadTier, string> = {
    oltp: config.OLTP_DATABASE_URL,
    content: config.CONTENT_DATABASE_URL,
    olap: config.OLAP_DATABASE_URL,
  };
  const pointers = new LiveGenerations(
    open(config.CONTROL_DATABASE_URL, 'control', 2),
    open(config.CONTROL_DATABASE_URL, 'control-listen', 1),
    log,
  );
  const reader = (tier: ReadTier): TierReader =>
    new TierReader(
      tier,
      open(urls[tier], tier, config.TIER_CONNECTIONS_MAX, 'mailfold_reader'),
      open(urls[tier], `${tier}-listen`, 1, 'mailfold_reader'),
      pointers,
      log,
    );
  const readers: TierReaders = { oltp: reader('oltp'), content: reader('content'), olap: reader('olap') };
  const close = async (): Promise<void> => {
    await Promise.all([pointers.close(), ...readTiers.map((tier) => readers[tier].close())]);
    await Promise.all(pools.map((pool) => pool.end()));
  };
  try {
    await Promise.all(readTiers.map((tier) => checkedAtStart(readers[tier], pointers, log)));
  } catch (error) {
    await close();
    throw error;
  }
  pointers.start();
  for (const tier of readTiers) readers[tier].start();
  return { readers, close };
}

async function checkedAtStart(reader: TierReader, pointers: LiveGenerations, log: Logger): Promise<void> {
  try {
    await reader.check(await pointers.of(reader.tier));
  } catch (error) {
    if (error instanceof UnsafeDatabase) throw error;
    // It is checked before its first read, whenever it comes.
    log.warn({ err: error, tier: reader.tier }, 'a tier is not there yet');
  }
}
