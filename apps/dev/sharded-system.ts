import { startEmbeddedPostgres, type EmbeddedPostgres } from '../shared/embedded/embedded-postgres';
import { embeddedDatabases, keepPostgresRunning } from './databases';
import { startSystem, type System } from './system';

export interface ShardedSystem extends System {
  readonly postgres: EmbeddedPostgres;
}

/**
 * A whole Mailfold with further databases for the OLTP tier, named by `OLTP_DATABASE_URL_<NAME>`, on one PostgreSQL that is
 * started again whenever it ends. Without a reactor: its mail comes threaded.
 */
export async function startShardedSystem(options: {
  readonly dataDir: string;
  /** Names of the further databases, in capitals. */
  readonly oltpDatabases: readonly string[];
  /** Until `startProjector`. */
  readonly withoutProjector?: boolean;
  readonly report?: (line: string) => void;
  readonly signal?: AbortSignal;
}): Promise<ShardedSystem> {
  const { dataDir, oltpDatabases, withoutProjector = false, report = () => undefined, signal } = options;
  const further = Object.fromEntries(
    oltpDatabases.map((name) => [`OLTP_DATABASE_URL_${name}`, `oltp_${name.toLowerCase()}`]),
  );
  const names: Record<string, string> = { ...embeddedDatabases, ...further };
  const postgres = await startEmbeddedPostgres({ dataDir, databases: Object.values(names) });
  keepPostgresRunning(postgres, report);
  const urls = Object.fromEntries(
    Object.entries(names).map(([variable, database]) => [variable, postgres.url(database)]),
  );
  try {
    const { PATH, HOME, TMPDIR, LANG } = process.env;
    const anyPort = {
      EVENT_STORE_NODE_PORT: '0',
      COMMAND_API_PORT: '0',
      QUERY_API_PORT: '0',
      CONSOLE_PORT: '0',
    };
    const system = await startSystem({
      ...{ dataDir, report, withoutReactor: true, withoutProjector },
      env: { PATH, HOME, TMPDIR, LANG, ...anyPort, ...urls },
      ...(signal === undefined ? {} : { signal }),
    });
    return {
      ...system,
      postgres,
      environment: { ...system.environment, ...urls },
      pids: () => ({ ...system.pids(), postgres: postgres.pid }),
      stop: async () => {
        await system.stop();
        await postgres.stop();
      },
    };
  } catch (error) {
    await postgres.stop();
    throw error;
  }
}
