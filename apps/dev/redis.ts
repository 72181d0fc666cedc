import { startEmbeddedRedis, type EmbeddedRedis } from '../shared/embedded/embedded-redis';

export interface CacheServer {
  /** Undefined: every process caches for itself. */
  readonly url: string | undefined;
  /** For people. */
  readonly description: string;
  pid(): number | null;
  stop(): Promise<void>;
}

/** REDIS_URL, else a redis-server on PATH (started again when it ends), else none. */
export async function openCacheServer(
  dataDir: string,
  env: NodeJS.ProcessEnv,
  report: (line: string) => void,
): Promise<CacheServer> {
  if (env['REDIS_URL']) return external(env['REDIS_URL']);
  const first = await startEmbeddedRedis({ dataDir });
  if (first === null) return none;
  let current: EmbeddedRedis | null = first;
  const watch = (server: EmbeddedRedis): void =>
    server.onExit(() => {
      report('Redis ended; starting it again');
      void startEmbeddedRedis({ dataDir }).then((again) => {
        current = again;
        if (again) watch(again);
        report(again ? `Redis is back (pid ${again.pid})` : 'Redis did not start; reads go to the databases');
      });
    });
  watch(first);
  return {
    url: first.url,
    description: 'Redis (redis-server of this machine, own socket)',
    pid: () => current?.pid ?? null,
    stop: async () => current?.stop(),
  };
}

const none: CacheServer = {
  url: undefined,
  description: 'in-process, one per process (no REDIS_URL, no redis-server on PATH)',
  pid: () => null,
  stop: async () => undefined,
};

function external(url: string): CacheServer {
  return { url, description: 'Redis (REDIS_URL)', pid: () => null, stop: async () => undefined };
}
