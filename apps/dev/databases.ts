import { setTimeout as delay } from 'node:timers/promises';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../shared/embedded/embedded-postgres';
import { migrate } from '../shared/postgres/migrate';
import { prepareGenerations } from './generations';

/** Which variable leads to which database of the embedded cluster. */
export const embeddedDatabases = {
  EVENT_STORE_NODE_DATABASE_URL: 'events',
  CONTROL_DATABASE_URL: 'control',
  KEYS_DATABASE_URL: 'keys',
  OLTP_DATABASE_URL: 'oltp',
  CONTENT_DATABASE_URL: 'content',
  OLAP_DATABASE_URL: 'olap',
  QUEUE_DATABASE_URL: 'queue',
} as const;

type DatabaseVariable = keyof typeof embeddedDatabases;
export type DatabaseUrls = Readonly<Record<DatabaseVariable, string>>;

const variables = Object.keys(embeddedDatabases) as DatabaseVariable[];
const restartDelayMaxMs = 5_000;

export interface Databases {
  readonly urls: DatabaseUrls;
  /** Null when the environment names a server for each database. */
  readonly embedded: EmbeddedPostgres | null;
}

/** The databases the environment names; the embedded PostgreSQL for all others. */
export async function openDatabases(dataDir: string, env: NodeJS.ProcessEnv): Promise<Databases> {
  // With a real EventStoreDB there is no node of ours, and it needs no database.
  const needed = variables.filter(
    (name) => name !== 'EVENT_STORE_NODE_DATABASE_URL' || !env['EVENTSTORE_URL'],
  );
  const missing = needed.filter((name) => !env[name]);
  const databases = missing.map((name) => embeddedDatabases[name]);
  const embedded = missing.length > 0 ? await startEmbeddedPostgres({ dataDir, databases }) : null;
  const urlOf = (name: DatabaseVariable): string =>
    env[name] || (embedded?.url(embeddedDatabases[name]) ?? '');
  const urls = Object.fromEntries(variables.map((name) => [name, urlOf(name)])) as DatabaseUrls;
  return { urls, embedded };
}

/** Brings every schema up to date. The event-store node looks after its own. */
export async function prepareDatabases(urls: DatabaseUrls): Promise<void> {
  await Promise.all([migrate(urls.CONTROL_DATABASE_URL, 'control'), migrate(urls.KEYS_DATABASE_URL, 'keys')]);
  await prepareGenerations(urls.CONTROL_DATABASE_URL, urls);
}

/** Starts the server again whenever it ends by itself. Whoever uses it retries meanwhile. */
export function keepPostgresRunning(server: EmbeddedPostgres, report: (line: string) => void): void {
  const restart = async (): Promise<void> => {
    report('PostgreSQL ended; starting it again');
    for (let delayMs = 250; ; delayMs = Math.min(2 * delayMs, restartDelayMaxMs)) {
      try {
        if (await server.restart()) report(`PostgreSQL is back (pid ${server.pid})`);
        return;
      } catch (error) {
        report(`PostgreSQL did not start: ${error instanceof Error ? error.message : String(error)}`);
        await delay(delayMs);
      }
    }
  };
  server.onExit(() => void restart());
}
