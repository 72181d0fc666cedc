import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Client } from 'pg';
import { ensureDatabaseRoles } from './roles';
import { untilAvailable } from './retry';

/** Migrated once, into `public`. */
type PlainKind = 'control' | 'keys' | 'event-store';
/** Migrated once per generation, into its own schema, each beginning with `migrations/generation`. */
type TierKind = 'oltp' | 'content' | 'olap' | 'queue';
/** `generation` alone: what all tiers have in common. */
export type MigrationKind = PlainKind | TierKind | 'generation';

/**
 * Brings `schema` (default `public`) of the database at `url` up to date with `migrations/<kind>/*.sql`: all of the pending
 * files or none. Two callers at once wait for each other. Files name no schema; search_path leads to theirs.
 * Resolves to the names of the files that ran.
 */
export async function migrate(
  url: string,
  kind: MigrationKind,
  { schema = 'public' }: { schema?: string } = {},
): Promise<string[]> {
  const client = await connected(url);
  try {
    await ensureDatabaseRoles(client);
    const applied: string[] = [];
    for (const folder of foldersOf(kind)) {
      applied.push(...(await migrateFolder(client, folder, schema)));
    }
    return applied;
  } finally {
    await client.end();
  }
}

function foldersOf(kind: MigrationKind): string[] {
  switch (kind) {
    case 'control':
    case 'keys':
    case 'event-store':
    case 'generation':
      return [kind];
    case 'oltp':
    case 'content':
    case 'olap':
    case 'queue':
      return ['generation', kind];
  }
}

async function migrateFolder(client: Client, folder: string, schema: string): Promise<string[]> {
  // The package is an ES module only.
  const { runner } = await import('node-pg-migrate');
  const ran = await runner({
    dbClient: client,
    dir: join(migrationsRoot(), folder),
    direction: 'up',
    schema,
    createSchema: schema !== 'public',
    migrationsTable: `migrations_${folder}`,
    advisoryLockMode: 'wait',
    logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
  });
  return ran.map(({ name }) => `${folder}/${name}`);
}

/** Every error is thrown as well, and the caller has the log. */
function ignore(): void {}

async function connected(url: string): Promise<Client> {
  return untilAvailable(
    async () => {
      const client = new Client({ connectionString: url, application_name: 'mailfold-migrate' });
      client.on('error', ignore);
      try {
        await client.connect();
        return client;
      } catch (error) {
        await client.end().catch(ignore);
        throw error;
      }
    },
    { retriesMax: 5 },
  );
}

/** The same folder from the sources and from dist/, where the file lies one level deeper. */
function migrationsRoot(): string {
  for (let folder = __dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const candidate = join(folder, 'migrations');
    if (existsSync(join(candidate, 'control'))) return candidate;
  }
  throw new Error(`No migrations folder above ${__dirname}`);
}
