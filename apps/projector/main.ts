import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Pool } from 'pg';
import { projectionTiers } from '../../projections/tiers';
import { loadConfig } from '../shared/config/load-config';
import { tierDatabaseUrls } from '../shared/config/tier-databases';
import { createEventStore } from '../shared/event-store/esdb-event-store';
import { urlNamed } from '../shared/generations/generations';
import { createKeyRing } from '../shared/keys/key-ring';
import { createMailParser, replayParseTimeoutMs } from '../shared/mail/mail-parser';
import { createPool, type PoolOptions } from '../shared/postgres/pool';
import { runProcess } from '../shared/process/run-process';
import { leaseDurationMs } from '../shared/projecting/lane-lease';
import { GenerationProjectors } from './generation-projectors';
import { Health, serveHealth } from './health';
import { LedgerKeeper } from './ledger-keeper';
import { projectorVariables } from './projector-config';
import { Upkeep } from './upkeep';

const poolBounds: PoolOptions = {
  applicationName: 'mailfold-projector',
  maxConnections: 4,
  statementTimeoutMs: 30_000,
  queryTimeoutMs: 35_000,
  connectionTimeoutMs: 5_000,
};

/** A process that stands still amidst a batch holds locks; they must be gone before its leases are. */
const idleInTransactionTimeoutMs = leaseDurationMs - 500;

runProcess('projector', async (frame) => {
  const { log } = frame;
  const config = loadConfig(projectorVariables);
  const onConnectionLost = (error: Error): void => log.warn({ err: error }, 'database connection lost');
  const open = (url: string, options: Partial<PoolOptions> = {}): Pool =>
    createPool(url, { ...poolBounds, onConnectionLost, ...options });
  const controlPool = open(config.CONTROL_DATABASE_URL);
  const keysPool = open(config.KEYS_DATABASE_URL);
  frame.onShutdown(() => Promise.all([controlPool.end(), keysPool.end()]));
  const tiers = projectionTiers.filter(({ tier }) => config.PROJECTOR_TIERS.includes(tier));
  const urls = tierDatabaseUrls();
  const pools = new Map<string, Pool>();
  const poolOf = (databaseRef: string): Pool => {
    const pool =
      pools.get(databaseRef) ??
      open(urlNamed(urls, databaseRef), { role: 'mailfold_projector', idleInTransactionTimeoutMs });
    pools.set(databaseRef, pool);
    return pool;
  };
  frame.onShutdown(() => Promise.all([...pools.values()].map((pool) => pool.end())));

  const store = createEventStore({
    url: config.EVENTSTORE_URL,
    keys: createKeyRing({ pool: keysPool, rootKey: config.MAILFOLD_ROOT_KEY }),
    onReconnect: (error) => log.warn({ err: error }, 'event store call failed, trying again'),
  });
  frame.onShutdown(() => store.close());
  const parser = createMailParser({ threads: config.MAIL_PARSER_THREADS, timeoutMs: replayParseTimeoutMs });
  frame.onShutdown(() => parser.close());

  const owner = `${hostname()}/${process.pid}/${randomUUID()}`;
  const projectors = new GenerationProjectors({
    ...{ tiers, controlPool, poolOf, store, parser, log, owner },
    controlUrl: config.CONTROL_DATABASE_URL,
  });
  frame.onShutdown(() => projectors.close());
  projectors.start();
  const ledger = new LedgerKeeper({ store, controlPool, owner, log });
  frame.onShutdown(() => ledger.close());
  ledger.start();
  const upkeep = new Upkeep({ tiers, controlPool, urls, poolOf, log });
  frame.onShutdown(() => upkeep.close());
  upkeep.start();
  const health = new Health({ projectors, upkeep, poolOf, ledger, controlPool, store });
  const { server, port } = await serveHealth(health, config.HOST, config.PROJECTOR_PORT);
  frame.onShutdown(() => server.close());
  return { port };
});
