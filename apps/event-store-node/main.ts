import { loadConfig } from '../shared/config/load-config';
import { runProcess } from '../shared/process/run-process';
import { nodeVariables } from './config';
import { loadSecurity } from './security';
import { startNode } from './start-node';

runProcess('event-store-node', async (context) => {
  const { log } = context;
  // The log must never go on after a surprise: what is committed is safe, and clients reconnect.
  process.on('unhandledRejection', (error) => {
    log.fatal({ err: error }, 'unhandled rejection');
    process.exit(1);
  });
  const config = loadConfig(nodeVariables);
  const security = await loadSecurity(config);
  const stopping = new AbortController();
  context.onShutdown(() => stopping.abort());
  const node = await startNode({
    databaseUrl: config.EVENT_STORE_NODE_DATABASE_URL,
    host: config.EVENT_STORE_NODE_HOST,
    port: config.EVENT_STORE_NODE_PORT,
    security,
    log,
    signal: stopping.signal,
    onFenced: () => {
      log.fatal('another node has taken over the log');
      process.exit(1);
    },
  });
  context.onShutdown(() => node.stop());
  return { port: node.port };
});
