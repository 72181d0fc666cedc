import { Pool } from 'pg';

export interface PoolOptions {
  /** Seen in pg_stat_activity. */
  readonly applicationName: string;
  /** Role the session takes at once, e.g. `mailfold_reader`; the login role must be its member. */
  readonly role?: string;
  /** Schemas of the session, first one first. */
  readonly searchPath?: string;
  readonly maxConnections: number;
  /** The server's bound on one statement. */
  readonly statementTimeoutMs: number;
  /** The client's own bound: the only one that ends a query on a frozen server (reliability.md finding 4). */
  readonly queryTimeoutMs: number;
  /** Bound on waiting for a connection, be it a new one or a turn in the pool. */
  readonly connectionTimeoutMs: number;
  /** The server's bound on a transaction whose client says nothing; default 60 s. */
  readonly idleInTransactionTimeoutMs?: number;
  /** Told of connections that died, idle or in use. The call that used one gets its own error besides. */
  readonly onConnectionLost?: (error: Error) => void;
}

const identifier = /^[a-z_][a-z0-9_]*$/;
const idleInTransactionTimeoutDefaultMs = 60_000;

/**
 * A pool over `url` (TCP, or a Unix socket as `postgresql:///name?host=/dir&user=u`). A lost connection never ends the
 * process. Sessions are alike whatever the server's defaults: UTC, ISO dates, hex bytea, exact floats.
 */
export function createPool(url: string, options: PoolOptions): Pool {
  const pool = new Pool({
    connectionString: url,
    application_name: options.applicationName,
    max: options.maxConnections,
    statement_timeout: options.statementTimeoutMs,
    query_timeout: options.queryTimeoutMs,
    connectionTimeoutMillis: options.connectionTimeoutMs,
    idle_in_transaction_session_timeout:
      options.idleInTransactionTimeoutMs ?? idleInTransactionTimeoutDefaultMs,
    keepAlive: true,
    options: sessionSettings(options),
  });
  const onConnectionLost = options.onConnectionLost ?? (() => undefined);
  pool.on('error', onConnectionLost);
  // A client in use raises its own 'error', which the pool does not hear and which would end the process.
  pool.on('connect', (client) => client.on('error', onConnectionLost));
  return pool;
}

function sessionSettings({ role, searchPath }: PoolOptions): string {
  const settings = ['TimeZone=UTC', 'DateStyle=ISO', 'bytea_output=hex', 'extra_float_digits=1'];
  if (role !== undefined) settings.push(`role=${checked(role)}`);
  if (searchPath !== undefined) settings.push(`search_path=${searchPath.split(',').map(checked).join(',')}`);
  return settings.map((setting) => `-c ${setting}`).join(' ');
}

/** The settings string has no quoting of its own, so only plain identifiers go in. */
function checked(name: string): string {
  if (!identifier.test(name)) throw new Error(`Not a plain identifier: ${JSON.stringify(name)}`);
  return name;
}
