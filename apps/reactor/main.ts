import { randomUUID } from 'node:crypto';
import { loadConfig } from '../shared/config/load-config';
import { createEventStore } from '../shared/event-store/esdb-event-store';
import { createKeyRing } from '../shared/keys/key-ring';
import { createPool } from '../shared/postgres/pool';
import { runProcess } from '../shared/process/run-process';
import { ReactorCheckpoints } from './checkpoints';
import { reactorVariables } from './config';
import { serveHealth } from './health';
import { newProgress, runReactor } from './run-reactor';
import { createThreader } from './threader';

const databaseTimeoutMs = 2_000;
/** A dead owner is replaced after this long; renewed four times within it. */
const leaseMs = 10_000;
const saveIntervalMs = leaseMs / 4;

runProcess('reactor', async (frame) => {
  const { log } = frame;
  const config = loadConfig(reactorVariables);
  const poolTo = (url: string) => {
    const pool = createPool(url, {
      applicationName: 'mailfold-reactor',
      maxConnections: 4,
      statementTimeoutMs: databaseTimeoutMs,
      queryTimeoutMs: databaseTimeoutMs,
      connectionTimeoutMs: databaseTimeoutMs,
      onConnectionLost: (error) => log.warn({ err: error }, 'database connection lost'),
    });
    frame.onShutdown(() => pool.end());
    return pool;
  };
  const keys = createKeyRing({ pool: poolTo(config.KEYS_DATABASE_URL), rootKey: config.MAILFOLD_ROOT_KEY });
  const checkpoints = new ReactorCheckpoints(
    poolTo(config.CONTROL_DATABASE_URL),
    'threader',
    randomUUID(),
    leaseMs,
  );
  const store = createEventStore({
    url: config.EVENTSTORE_URL,
    keys,
    onReconnect: (error) => log.warn({ err: error }, 'event store call failed, trying again'),
  });
  frame.onShutdown(() => store.close());
  const progress = newProgress();
  const health = await serveHealth({ store, progress }, { host: config.HOST, port: config.REACTOR_PORT });
  frame.onShutdown(() => health.close());

  const stopping = new AbortController();
  const react = createThreader({ store, keys });
  const running = runReactor({
    ...{ store, checkpoints, react, log, progress, saveIntervalMs },
    signal: stopping.signal,
  }).catch((error: unknown) => {
    // A lost lease or another log: this process has no business going on, and whoever started it shall know.
    log.fatal({ err: error }, 'reactor stopped');
    process.exit(1);
  });
  frame.onShutdown(async () => {
    stopping.abort();
    await running;
  });
  return { port: health.port };
});
