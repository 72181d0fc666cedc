import { z } from 'zod';
import type { Tier } from '../../../../projections/projection';
import { projectionTier, tablesOf } from '../../../../projections/tiers';
import { loadConfig } from '../../../shared/config/load-config';
import { readPlacement } from '../../../shared/generations/placement';
import { servedParts } from '../layout';
import type { Workplace } from '../workplace';

const timeoutMs = 5_000;

/**
 * A read as users cause it, for the governor: through the query API where QUERY_API_URL names one, since it reads every tier
 * to say that it is ready; else one row of each table that serves, straight from the databases.
 */
export async function readProbe(workplace: Workplace, tiers: readonly Tier[]): Promise<() => Promise<void>> {
  const { QUERY_API_URL: queryApi } = loadConfig(z.object({ QUERY_API_URL: z.url().optional() }));
  if (queryApi !== undefined) return () => readThrough(queryApi);
  const statements: { databaseRef: string; text: string }[] = [];
  for (const name of tiers) {
    const tier = projectionTier(name);
    const [part] = servedParts(await readPlacement(workplace.control, name));
    if (tier === undefined || part === undefined) continue;
    const rows = tablesOf(tier).map((table) => `(select 1 from ${part.schema}.${table.name} limit 1)`);
    statements.push({ databaseRef: part.databaseRef, text: rows.join(' union all ') });
  }
  return async () => {
    for (const { databaseRef, text } of statements)
      await workplace.pool(databaseRef, 'mailfold_auditor').query(text);
  };
}

async function readThrough(queryApi: string): Promise<void> {
  const response = await fetch(`${queryApi}/readyz`, { signal: AbortSignal.timeout(timeoutMs) });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`the query API answers ${response.status}`);
}
