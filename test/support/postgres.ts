import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { removeDataDirectory } from '../../apps/shared/embedded/directories';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../apps/shared/embedded/embedded-postgres';
import { copyClusterTemplate } from './cluster-template';
import { signalAll } from './processes';

/** A PostgreSQL of the test file's own, with as many fresh databases as it wants. */
export interface TestPostgres {
  readonly server: EmbeddedPostgres;
  readonly dataDir: string;
  /** A new, empty database; resolves to its URL. */
  createDatabase(): Promise<string>;
  /** Stops the server and removes its files. */
  stop(): Promise<void>;
}

/**
 * Call in `beforeAll`, and `stop()` in `afterAll`. Durability is as in production, unless `settings` say otherwise.
 */
export async function startTestPostgres(settings: Record<string, string> = {}): Promise<TestPostgres> {
  const dataDir = mkdtempSync(join(tmpdir(), 'mf-'));
  const server = await copyClusterTemplate(dataDir)
    .then(() => startEmbeddedPostgres({ dataDir, databases: [], settings }))
    .catch(async (error: unknown) => {
      await removeDataDirectory(dataDir);
      throw error;
    });
  // A server is made to outlive who started it. In order is what `stop` does; this is for the end that leaves no time.
  const abandon = (): void => {
    signalAll([server.pid], 'SIGQUIT');
    rmSync(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  process.once('exit', abandon);
  let count = 0;
  return {
    server,
    dataDir,
    createDatabase: async () => {
      count += 1;
      await server.createDatabases([`test_${count}`]);
      return server.url(`test_${count}`);
    },
    stop: async () => {
      process.off('exit', abandon);
      // At once: a last checkpoint would be for files that are about to go.
      await server.stop(0);
      await removeDataDirectory(dataDir);
    },
  };
}

/** One statement over a connection of its own, as the superuser: for looking behind the scenes. */
export async function queryAsSuperuser<Row extends object>(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** Ends all other sessions of a database, as a failing-over server does. */
export async function terminateSessions(url: string): Promise<void> {
  await queryAsSuperuser(
    url,
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  );
}
