import 'reflect-metadata';
import { loadConfig } from '../shared/config/load-config';
import { tierDatabaseUrls } from '../shared/config/tier-databases';
import { createHttpApplication, listen } from '../shared/http/http-application';
import { runProcess } from '../shared/process/run-process';
import { openCache } from '../shared/redis/open-cache';
import { readFailure } from './access/read-failures';
import { TenantKeys } from './access/tenant-keys';
import { queryApiVariables } from './query-api-config';
import { QueryApiModule } from './query-api.module';
import { Reads } from './reading/reads';
import { TierStatuses } from './status/tier-status';
import { openTiers } from './tiers';

/** Answers reads from the generation of each tier that serves; never from the log. */
runProcess('query-api', async (context) => {
  const { log } = context;
  const config = loadConfig(queryApiVariables);
  const cache = openCache(config.REDIS_URL, (error) => log.debug({ err: error }, 'cache'));
  context.onShutdown(() => cache.close());
  const tiers = await openTiers(config, tierDatabaseUrls(), log);
  context.onShutdown(() => tiers.close());
  const app = await createHttpApplication({
    module: QueryApiModule.over(
      new Reads(tiers.readers, cache, config.AFTER_WAIT_MAX_MS),
      new TierStatuses(tiers.readers, cache),
    ),
    log,
    authenticator: new TenantKeys(tiers.readers.oltp, config.AFTER_WAIT_MAX_MS, config.MAILFOLD_ADMIN_KEY),
    translate: readFailure,
    description: {
      title: 'Mailfold query API',
      description:
        'Reads of one tenant. ?after=<X-Log-Position> waits for what you wrote; X-Read-Model-Position tells up to where the answer knows everything.',
    },
  });
  context.onShutdown(() => app.close());
  log.info({ cache: cache.kind }, 'cache chosen');
  return { port: await listen(app, config.HOST, config.QUERY_API_PORT) };
});
