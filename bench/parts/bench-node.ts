import { startProcess, type TestProcess } from '../../test/support/processes';
import { nodeMain } from '../../test/support/event-store-node';

/** The embedded node as its own process, as `npm start` runs it, over the given database. */
export async function startBenchNode(databaseUrl: string): Promise<TestProcess & { readonly url: string }> {
  const node = await startProcess(nodeMain, {
    ownGroup: true,
    env: {
      EVENT_STORE_NODE_DATABASE_URL: databaseUrl,
      EVENT_STORE_NODE_PORT: '0',
      LOG_LEVEL: 'warn',
    },
  });
  return { ...node, url: `esdb://127.0.0.1:${node.port}?tls=false` };
}
