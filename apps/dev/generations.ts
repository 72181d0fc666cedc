import { z } from 'zod';
import { projectionTiers } from '../../projections/tiers';
import { sharedVariables } from '../shared/config/databases';
import { loadConfig } from '../shared/config/load-config';
import { tierDatabaseUrls } from '../shared/config/tier-databases';
import {
  databaseRefOf,
  ensureFirstGeneration,
  listGenerations,
  urlNamed,
} from '../shared/generations/generations';
import { migrate } from '../shared/postgres/migrate';
import { createPool } from '../shared/postgres/pool';

const variables = z.object({ PROJECTOR_LANES: sharedVariables.PROJECTOR_LANES });
const statementTimeoutMs = 30_000;

/**
 * Gives each tier that has a projection its first generation where it has none, and brings the schemas of all generations
 * still in use up to date: a newer build may have added a column. `urls` holds the variables that
 * `databaseRefOf` names; further databases of a tier are found in the environment.
 */
export async function prepareGenerations(
  controlUrl: string,
  urls: Readonly<Record<string, string>>,
): Promise<void> {
  const known = new Map([...tierDatabaseUrls(), ...Object.entries(urls)]);
  const { PROJECTOR_LANES: lanes } = loadConfig(variables);
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
        ensureFirstGeneration(controlPool, urlNamed(known, databaseRefOf(tier)), tier, {
          codeVersion: '0',
          lanes,
        }),
      ),
    );
    for (const { tier, state, targets } of await listGenerations(controlPool)) {
      if (state === 'retired') continue;
      for (const { databaseRef, schema } of targets)
        await migrate(urlNamed(known, databaseRef), tier, { schema });
    }
  } finally {
    await controlPool.end();
  }
}
