import { bulkhead, type BulkheadPolicy } from 'cockatiel';
import type { Pool, PoolClient } from 'pg';
import { urlNamed, type DatabaseUrls } from '../generations/generations';
import { createPool } from '../postgres/pool';
import { inTransaction } from '../postgres/transaction';

/** A digest reads a whole table. */
const statementTimeoutMs = 6 * 3_600_000;

interface ProvedDatabase {
  readonly auditor: Pool;
  readonly owner: Pool;
  /** Readers take turns here: a turn in the pool has to come within the time of a connection. */
  readonly turns: BulkheadPolicy;
}

/** The databases that a proof reads, by the name of the variable of their URL. */
export class ProvedDatabases {
  private readonly databases = new Map<string, ProvedDatabase>();
  private readonly held = new Set<Snapshot>();

  constructor(
    private readonly urls: DatabaseUrls,
    /** Connections per database that read at the same time. */
    private readonly readers: number,
  ) {}

  /** Logs in as the owner, for holding lanes. */
  owner(databaseRef: string): Pool {
    return this.database(databaseRef).owner;
  }

  /**
   * Keeps the present state of a database readable: an exported snapshot, for as long as this object is open. Its readers
   * all see the rows of this one moment, whatever is written meanwhile.
   */
  async snapshot(databaseRef: string): Promise<Snapshot> {
    const database = this.database(databaseRef);
    const client = await database.auditor.connect();
    const snapshot = await exported(databaseRef, database, client).catch((error: unknown) => {
      client.release(true);
      throw error;
    });
    this.held.add(snapshot);
    return snapshot;
  }

  async end(snapshot: Snapshot): Promise<void> {
    if (this.held.delete(snapshot)) await snapshot.end();
  }

  async close(): Promise<void> {
    await Promise.all([...this.held].map((snapshot) => this.end(snapshot)));
    await Promise.all(
      [...this.databases.values()].flatMap(({ auditor, owner }) => [auditor.end(), owner.end()]),
    );
    this.databases.clear();
  }

  private database(databaseRef: string): ProvedDatabase {
    const known = this.databases.get(databaseRef);
    if (known !== undefined) return known;
    const url = urlNamed(this.urls, databaseRef);
    const bounds = {
      applicationName: 'mailfold-proof',
      statementTimeoutMs,
      queryTimeoutMs: statementTimeoutMs,
      connectionTimeoutMs: 10_000,
    };
    // One more for the session that holds the snapshot, and one for a second position.
    const auditor = createPool(url, {
      ...bounds,
      role: 'mailfold_auditor',
      maxConnections: this.readers + 2,
    });
    const owner = createPool(url, { ...bounds, maxConnections: 2 });
    const database = { auditor, owner, turns: bulkhead(this.readers, Number.POSITIVE_INFINITY) };
    this.databases.set(databaseRef, database);
    return database;
  }
}

async function exported(
  databaseRef: string,
  database: ProvedDatabase,
  client: PoolClient,
): Promise<Snapshot> {
  await client.query('begin isolation level repeatable read read only');
  // The pool's bound on idle transactions is for those that were forgotten; this one is meant to stay.
  await client.query('set local idle_in_transaction_session_timeout = 0');
  const { rows } = await client.query<{ id: string; major: number; probe: string }>(
    `select pg_export_snapshot() as id, current_setting('server_version_num')::int / 10000 as major,
            hashtextextended('mailfold', 0)::text as probe`,
  );
  const [row] = rows;
  if (row === undefined) throw new Error(`${databaseRef} exports no snapshot`);
  return new Snapshot(databaseRef, database, client, row.id, `${row.major} ${row.probe}`);
}

/** One moment of one database. */
export class Snapshot {
  constructor(
    readonly databaseRef: string,
    private readonly database: ProvedDatabase,
    /** Its transaction keeps the snapshot. */
    private readonly holder: PoolClient,
    private readonly id: string,
    /** Servers that agree on it hash texts alike (hashtextextended may change between major versions). */
    readonly hashFamily: string,
  ) {}

  async end(): Promise<void> {
    const isLost = await this.holder.query('rollback').then(
      () => false,
      () => true,
    );
    this.holder.release(isLost);
  }

  /** Reads at this moment, from a connection of its own. */
  read<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const { auditor, turns } = this.database;
    return turns.execute(() =>
      inTransaction(
        auditor,
        async (client) => {
          await client.query(`set transaction snapshot '${this.id}'`);
          return work(client);
        },
        { isolation: 'repeatable read', readOnly: true },
      ),
    );
  }
}
