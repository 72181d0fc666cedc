import type { Pool } from 'pg';
import { createPool } from '../../postgres/pool';

/**
 * Connections of the owner of the schemas at `databaseUrl`, for work that takes as long as it takes: a COPY or an index has
 * no bound in time. The caller ends the pool.
 */
export function loaderPool(databaseUrl: string, maxConnections: number): Pool {
  return createPool(databaseUrl, {
    applicationName: 'mailfold-loader',
    maxConnections,
    statementTimeoutMs: 0,
    queryTimeoutMs: 0,
    connectionTimeoutMs: 30_000,
  });
}
