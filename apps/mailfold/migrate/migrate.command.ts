import { projectionTiers } from '../../../projections/tiers';
import { z } from 'zod';
import { sharedVariables } from '../../shared/config/databases';
import { loadConfig } from '../../shared/config/load-config';
import { tierDatabaseUrls } from '../../shared/config/tier-databases';
import { ensureFirstGeneration, listGenerations, urlNamed } from '../../shared/generations/generations';
import { migrate } from '../../shared/postgres/migrate';
import { codeVersion } from '../code-version';
import type { CommandContext } from '../command-run';
import { controlUrl, openPool, tierUrl } from '../connections';

/** `mailfold migrate`: control and key database, and for each tier its first generation, or what its live ones lack. */
export async function migrateCommand(context: CommandContext): Promise<void> {
  const { output } = context;
  const { KEYS_DATABASE_URL, PROJECTOR_LANES: lanes } = loadConfig(
    z.object({
      KEYS_DATABASE_URL: sharedVariables.KEYS_DATABASE_URL,
      PROJECTOR_LANES: sharedVariables.PROJECTOR_LANES,
    }),
  );
  const databases = tierDatabaseUrls();
  const urls = projectionTiers.map(({ tier }) => ({ tier, url: tierUrl(tier) }));
  const applied = (database: string, schema: string, files: readonly string[]): void => {
    output.record({ database, schema, applied: files });
    output.line(`${database} ${schema}: ${files.length === 0 ? 'up to date' : files.join(', ')}`);
  };
  applied('control', 'public', await migrate(controlUrl(), 'control'));
  applied('keys', 'public', await migrate(KEYS_DATABASE_URL, 'keys'));
  const control = openPool(context, controlUrl());
  for (const { tier, url } of urls) {
    const known = (await listGenerations(control, tier)).filter(({ state }) => state !== 'retired');
    if (known.length === 0) {
      await ensureFirstGeneration(control, url, tier, { codeVersion: codeVersion(), lanes });
      applied(tier, 'g1', ['first generation']);
    }
    for (const { databaseRef, schema } of known.flatMap(({ targets }) => targets))
      applied(tier, schema, await migrate(urlNamed(databases, databaseRef), tier, { schema }));
  }
}
