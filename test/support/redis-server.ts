import { spawnSync } from 'node:child_process';

export const hasRedisServer = spawnSync('redis-server', ['--version']).error === undefined;

/** Runs the block with a redis-server to start, or reports it as skipped in plain words: a missing one is never a pass. */
export function describeWithRedisServer(name: string, block: () => void): void {
  if (hasRedisServer) describe(name, block);
  else
    describe(name, () =>
      it.skip('skipped: no redis-server on PATH, tests with Redis did not run', () => undefined),
    );
}
