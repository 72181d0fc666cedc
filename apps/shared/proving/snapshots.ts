import { bulkhead, type BulkheadPolicy } from 'cockatiel';
import type { Pool, PoolClient } from 'pg';
import { urlNamed, type DatabaseUrls } from '../generations/generations';
import { createPool } from '../postgres/pool';

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
   * A session that stands ready to keep the state of a database readable, from {@link Snapshot.take} on. All that takes
   * time is done here, before lanes are held.
   */
  async prepared(databaseRef: string): Promise<Snapshot> {
    const database = this.database(databaseRef);
    const [client] = await Promise.all([database.auditor.connect(), database.owner.query('select')]);
    try {
      await client.query('begin isolation level repeatable read read only');
      // The pool's bound on idle transactions is for those that were forgotten; this one is meant to stay.
      await client.query('set local idle_in_transaction_session_timeout = 0');
    } catch (error) {
      client.release(true);
      throw error;
    }
    const snapshot = new Snapshot(databaseRef, database, client);
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
    // Each of two positions has its readers, and a session that holds the snapshot.
    const maxConnections = 2 * (this.readers + 1);
    const auditor = createPool(url, { ...bounds, role: 'mailfold_auditor', maxConnections });
    const owner = createPool(url, { ...bounds, maxConnections: 2 });
    const database = { auditor, owner, turns: bulkhead(this.readers, Number.POSITIVE_INFINITY) };
    this.databases.set(databaseRef, database);
    return database;
  }
}

/** One moment of one database, from {@link take} on. All who read it see the same rows, whatever is written meanwhile. */
export class Snapshot {
  private exported: { readonly id: string; readonly hashFamily: string } | null = null;
  /** Sessions that have come to the moment stay there: to bring one there takes three messages. */
  private readonly sessions = new Set<PoolClient>();
  private readonly idle: PoolClient[] = [];
  private isEnded = false;

  constructor(
    readonly databaseRef: string,
    private readonly database: ProvedDatabase,
    /** Its transaction keeps the snapshot, so that nothing else may fail in it. */
    private readonly holder: PoolClient,
  ) {}

  /** The moment is now. */
  async take(): Promise<void> {
    const { rows } = await this.holder.query<{ id: string; major: number; probe: string }>(
      `select pg_export_snapshot() as id, current_setting('server_version_num')::int / 10000 as major,
              hashtextextended('mailfold', 0)::text as probe`,
    );
    const [row] = rows;
    if (row === undefined) throw new Error(`${this.databaseRef} exports no snapshot`);
    this.exported = { id: row.id, hashFamily: `${row.major} ${row.probe}` };
  }

  /** Servers that agree on it hash texts alike (hashtextextended may change between major versions). */
  get hashFamily(): string {
    return this.taken.hashFamily;
  }

  async end(): Promise<void> {
    this.isEnded = true;
    await Promise.all([this.holder, ...this.idle.splice(0)].map(endSession));
    // Whoever still reads reads for nobody.
    for (const session of this.sessions) session.release(true);
    this.sessions.clear();
  }

  /** Reads at this moment. After an error the session is not used again. */
  read<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    return this.database.turns.execute(async () => {
      const session = this.idle.pop() ?? (await this.opened());
      this.sessions.add(session);
      try {
        return await work(session);
      } catch (error) {
        if (this.sessions.delete(session)) session.release(true);
        throw error;
      } finally {
        if (this.sessions.delete(session)) this.setAside(session);
      }
    });
  }

  private setAside(session: PoolClient): void {
    if (this.isEnded) session.release(true);
    else this.idle.push(session);
  }

  private async opened(): Promise<PoolClient> {
    const { id } = this.taken;
    if (this.isEnded) throw new Error(`the moment of ${this.databaseRef} is over`);
    const session = await this.database.auditor.connect();
    try {
      await session.query(
        `begin isolation level repeatable read read only; set transaction snapshot '${id}';
         set local idle_in_transaction_session_timeout = 0`,
      );
    } catch (error) {
      session.release(true);
      throw error;
    }
    return session;
  }

  private get taken(): { readonly id: string; readonly hashFamily: string } {
    if (this.exported === null) throw new Error(`the moment of ${this.databaseRef} has not come`);
    return this.exported;
  }
}

async function endSession(session: PoolClient): Promise<void> {
  const isLost = await session.query('rollback').then(
    () => false,
    () => true,
  );
  session.release(isLost);
}
