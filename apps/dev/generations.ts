import { projectionTiers } from '../../projections/tiers';
import { databaseRefOf, ensureFirstGeneration, listGenerations } from '../shared/generations/generations';
import { migrate } from '../shared/postgres/migrate';
import { createPool } from '../shared/postgres/pool';

const statementTimeoutMs = 30_000;

/**
 * Gives each tier that has a projection its first generation where it has none, and brings the schemas of all generations
 * still in use up to date: a newer build may have added a column. `urls` holds the variables that
 * `databaseRefOf` names.
 */
export async function prepareGenerations(
  controlUrl: string,
  urls: Readonly<Record<string, string>>,
): Promise<void> {
  const controlPool = createPool(controlUrl, {
    applicationName: 'mailfold-dev',
    maxConnections: projectionTiers.length,
    statementTimeoutMs,
    queryTimeoutMs: statementTimeoutMs,
    connectionTimeoutMs: 5_000,
  });
  try {
    await Promise.all(
      projectionTiers.map(({ tier }) =>
        ensureFirstGeneration(controlPool, urlOf(databaseRefOf(tier), urls), tier),
      ),
    );
    for (const { tier, state, targets } of await listGenerations(controlPool)) {
      if (state === 'retired') continue;
      for (const { databaseRef, schema } of targets)
        await migrate(urlOf(databaseRef, urls), tier, { schema });
    }
  } finally {
    await controlPool.end();
  }
}

function urlOf(variable: string, urls: Readonly<Record<string, string>>): string {
  const url = urls[variable];
  if (url === undefined) throw new Error(`${variable} is not set`);
  return url;
}
