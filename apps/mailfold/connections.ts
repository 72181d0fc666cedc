import type { Pool } from 'pg';
import { z } from 'zod';
import type { Tier } from '../../projections/projection';
import { projectionTier, projectionTiers } from '../../projections/tiers';
import type { ProjectionTier } from '../../projections/tier';
import { sharedVariables } from '../shared/config/databases';
import { loadConfig } from '../shared/config/load-config';
import { createEventStore } from '../shared/event-store/esdb-event-store';
import type { EventStore } from '../shared/event-store/event-store';
import { databaseRefOf } from '../shared/generations/generations';
import { createKeyRing } from '../shared/keys/key-ring';
import { createPool } from '../shared/postgres/pool';
import type { DatabaseRole } from '../shared/postgres/roles';
import { CommandFailure, exitCodes, type CommandContext } from './command-run';

const statementTimeoutMs = 10 * 60_000;
const connectionTimeoutMs = 5_000;

/** Long statements are in order: a digest reads a whole table. */
export function openPool({ onEnd }: Pick<CommandContext, 'onEnd'>, url: string, role?: DatabaseRole): Pool {
  const pool = createPool(url, {
    applicationName: 'mailfold-cli',
    ...(role === undefined ? {} : { role }),
    maxConnections: 4,
    statementTimeoutMs,
    queryTimeoutMs: statementTimeoutMs + 5_000,
    connectionTimeoutMs,
  });
  onEnd(() => pool.end());
  return pool;
}

const logVariables = z.object({
  EVENTSTORE_URL: sharedVariables.EVENTSTORE_URL,
  KEYS_DATABASE_URL: sharedVariables.KEYS_DATABASE_URL,
  MAILFOLD_ROOT_KEY: z
    .string()
    .refine((text) => Buffer.from(text, 'base64').length === 32, 'must be 32 bytes in base64'),
});

/** All it takes to open the log, as plain data that can be handed to a worker. */
export interface LogAccess {
  readonly eventStoreUrl: string;
  readonly keysDatabaseUrl: string;
  readonly rootKey: Uint8Array;
}

/** Throws ConfigError naming what is missing. */
export function logAccess(): LogAccess {
  const config = loadConfig(logVariables);
  return {
    eventStoreUrl: config.EVENTSTORE_URL,
    keysDatabaseUrl: config.KEYS_DATABASE_URL,
    rootKey: Buffer.from(config.MAILFOLD_ROOT_KEY, 'base64'),
  };
}

/** The log, with the keys to read what it holds sealed. */
export function openLog(
  context: Pick<CommandContext, 'onEnd'>,
  onReconnect?: (error: unknown) => void,
): EventStore {
  const { eventStoreUrl, keysDatabaseUrl, rootKey } = logAccess();
  const keys = createKeyRing({
    pool: openPool(context, keysDatabaseUrl),
    rootKey: Buffer.from(rootKey),
  });
  const store = createEventStore({
    url: eventStoreUrl,
    keys,
    ...(onReconnect ? { onReconnect } : {}),
  });
  context.onEnd(() => store.close());
  return store;
}

export function controlUrl(): string {
  return loadConfig(z.object({ CONTROL_DATABASE_URL: sharedVariables.CONTROL_DATABASE_URL }))
    .CONTROL_DATABASE_URL;
}

/** The URL of a tier's database. Throws ConfigError naming the variable that is missing. */
export function tierUrl(tier: Tier): string {
  const name = databaseRefOf(tier);
  return String(loadConfig(z.object({ [name]: sharedVariables.OLTP_DATABASE_URL }))[name]);
}

/** Throws {@link CommandFailure} (usage) for a word that is no tier. */
export function tierNamed(name: string): ProjectionTier {
  const tier = projectionTier(name);
  if (tier) return tier;
  const names = projectionTiers.map((known) => known.tier).join(', ');
  throw new CommandFailure(`${name} is no tier; there are ${names}`, exitCodes.usage);
}
