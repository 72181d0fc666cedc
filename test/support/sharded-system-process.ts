import { once } from 'node:events';
import { startShardedSystem } from '../../apps/dev/sharded-system';

/** A whole Mailfold in DATA_DIR with a second database for the OLTP tier, for tests, until SIGTERM or its parent's end. */
async function main(): Promise<void> {
  const stopping = new AbortController();
  for (const event of ['SIGTERM', 'disconnect'] as const) process.on(event, () => stopping.abort());
  const { signal } = stopping;
  const system = await startShardedSystem({
    ...{ dataDir: process.env['DATA_DIR'] ?? '', oltpDatabases: ['B'], signal },
  });
  try {
    process.send?.({ type: 'ready' });
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await system.stop();
  }
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  },
);
