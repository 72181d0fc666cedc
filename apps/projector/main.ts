import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { projectionTiers } from '../../projections/tiers';
import { loadConfig } from '../shared/config/load-config';
import { createEventStore } from '../shared/event-store/esdb-event-store';
import { createKeyRing } from '../shared/keys/key-ring';
import { createMailParser, replayParseTimeoutMs } from '../shared/mail/mail-parser';
import { createPool, type PoolOptions } from '../shared/postgres/pool';
import { runProcess } from '../shared/process/run-process';
import { GenerationProjectors } from './generation-projectors';
import { Health, serveHealth } from './health';
import { LedgerKeeper } from './ledger-keeper';
import { projectorVariables, type ProjectorConfig } from './projector-config';

const poolBounds: PoolOptions = {
  applicationName: 'mailfold-projector',
  maxConnections: 4,
  statementTimeoutMs: 30_000,
  queryTimeoutMs: 35_000,
  connectionTimeoutMs: 5_000,
};

runProcess('projector', async (frame) => {
  const { log } = frame;
  const config = loadConfig(projectorVariables);
  const onConnectionLost = (error: Error): void => log.warn({ err: error }, 'database connection lost');
  const open = (url: string, options: Partial<PoolOptions> = {}) => {
    const pool = createPool(url, { ...poolBounds, onConnectionLost, ...options });
    frame.onShutdown(() => pool.end());
    return pool;
  };
  const controlPool = open(config.CONTROL_DATABASE_URL);
  const keysPool = open(config.KEYS_DATABASE_URL);
  const tiers = projectionTiers.filter(({ tier }) => config.PROJECTOR_TIERS.includes(tier));
  const pools = new Map(
    tiers.map(({ tier }) => [tier, open(urlOf(config, tier), { role: 'mailfold_projector' })]),
  );

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
    ...{ tiers, controlPool, pools, store, parser, log, owner },
    controlUrl: config.CONTROL_DATABASE_URL,
  });
  frame.onShutdown(() => projectors.close());
  projectors.start();
  const ledger = new LedgerKeeper({ store, controlPool, owner, log });
  frame.onShutdown(() => ledger.close());
  ledger.start();
  const health = new Health({ projectors, pools, ledger, controlPool, store });
  const { server, port } = await serveHealth(health, config.HOST, config.PROJECTOR_PORT);
  frame.onShutdown(() => server.close());
  return { port };
});

function urlOf(config: ProjectorConfig, tier: (typeof projectionTiers)[number]['tier']): string {
  const urls = {
    oltp: config.OLTP_DATABASE_URL,
    content: config.CONTENT_DATABASE_URL,
    olap: config.OLAP_DATABASE_URL,
    queue: config.QUEUE_DATABASE_URL,
  };
  const url = urls[tier];
  if (url === undefined) throw new Error(`No database is configured for tier ${tier}`);
  return url;
}
