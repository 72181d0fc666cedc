import type { Pool, PoolClient } from 'pg';
import type { Coverage } from '../../generations/coverage';
import { createPool } from '../../postgres/pool';
import { raiseBarrier } from '../../projecting/barrier';
import type { Checkpoint } from '../../projecting/lane-event';
import type { LaneTally } from '../contracts';
import { loaderPool } from '../load/loader-pool';

/** A part of a tier as it serves: a schema, and what of it is to be read. */
export interface CopySource {
  /** Logs in as owner of the schema. */
  readonly databaseUrl: string;
  readonly schema: string;
  readonly coverage: Coverage;
}

/** All sources as they were when their lanes stood at one position of the log. */
export interface SourceSnapshots {
  /** Null: the log had nothing yet. */
  readonly checkpoint: Checkpoint | null;
  /** Of every lane of the sources: what it says it has taken in. */
  readonly lanes: readonly LaneTally[];
  /** A connection that sees that state, read only; the caller releases it. */
  connect(databaseUrl: string): Promise<PoolClient>;
  close(): Promise<void>;
}

/** Readers at one time, per database. */
const connectionsMax = 4;
const triesMax = 5;

/**
 * Holds the lanes of all sources at one position until each database has exported a snapshot; they wait for milliseconds.
 * Throws BarrierTimeout when they cannot be brought to one position.
 */
export async function takeSourceSnapshots(
  sources: readonly CopySource[],
  signal: AbortSignal,
): Promise<SourceSnapshots> {
  for (let tries = 1; ; tries += 1) {
    const snapshots = await trySnapshots(sources, signal);
    if (snapshots !== null) return snapshots;
    if (tries === triesMax) throw new Error('the lanes went on before every source had been looked at');
  }
}

/** Null when the hold ran out before the last snapshot was there. */
async function trySnapshots(
  sources: readonly CopySource[],
  signal: AbortSignal,
): Promise<SourceSnapshots | null> {
  const urls = [...new Set(sources.map(({ databaseUrl }) => databaseUrl))];
  const owners = new Map(urls.map((url) => [url, loaderPool(url, 2)]));
  const databases = urls.map((url) => new SnapshotDatabase(url));
  const close = async (): Promise<void> => {
    await Promise.allSettled(databases.map((database) => database.close()));
  };
  try {
    const held = distinctSchemas(sources).map(({ databaseUrl, schema }) => ({
      schema,
      pool: owners.get(databaseUrl) as Pool,
    }));
    const barrier = await raiseBarrier(held, { signal });
    let isHeld: boolean;
    try {
      await Promise.all(databases.map((database) => database.take()));
      isHeld = barrier.remainingMs() > 0;
    } finally {
      await barrier.release();
    }
    const found = isHeld ? await lanesOf(sources, databases) : [];
    if (!isHeld || new Set(found.map(({ checkpoint }) => checkpoint?.position)).size !== 1) {
      await close();
      return null;
    }
    const connect = (url: string): Promise<PoolClient> => {
      const database = databases.find((known) => known.url === url);
      if (database === undefined) throw new Error('A database that is no source was asked for');
      return database.connect();
    };
    return {
      checkpoint: found[0]?.checkpoint ?? null,
      lanes: found.map(({ tally }) => tally),
      connect,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  } finally {
    await Promise.allSettled([...owners.values()].map((pool) => pool.end()));
  }
}

/** A database with an open transaction whose snapshot others may take on. */
class SnapshotDatabase {
  private readonly pool: Pool;
  private exporter: PoolClient | null = null;
  private snapshot = '';

  constructor(readonly url: string) {
    this.pool = createPool(url, {
      ...{ applicationName: 'mailfold-copy', role: 'mailfold_auditor', maxConnections: 1 + connectionsMax },
      // A COPY takes as long as it takes.
      ...{ statementTimeoutMs: 0, queryTimeoutMs: 0, connectionTimeoutMs: 30_000 },
    });
  }

  async take(): Promise<void> {
    this.exporter = await this.pool.connect();
    await this.exporter.query(readOnly);
    const { rows } = await this.exporter.query<{ name: string }>('select pg_export_snapshot() as name');
    this.snapshot = rows[0]?.name ?? '';
  }

  async connect(): Promise<PoolClient> {
    const client = await this.pool.connect();
    try {
      await client.query(readOnly);
      await client.query(`set transaction snapshot '${this.snapshot}'`);
      return client;
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  async close(): Promise<void> {
    this.exporter?.release(true);
    await this.pool.end();
  }
}

/** The exporter idles for as long as others read. */
const readOnly =
  'begin isolation level repeatable read read only; set local idle_in_transaction_session_timeout = 0';

async function lanesOf(
  sources: readonly CopySource[],
  databases: readonly SnapshotDatabase[],
): Promise<{ checkpoint: Checkpoint | null; tally: LaneTally }[]> {
  const lanes = await Promise.all(
    distinctSchemas(sources).map(async ({ databaseUrl, schema }) => {
      const client = await databases.find(({ url }) => url === databaseUrl)?.connect();
      if (client === undefined) return [];
      try {
        const { rows } = await client.query<LaneRow>(
          `select slot_from, slot_to, only_tenant, except_tenants, commit_position, event_id, events,
                  id_digest_hi, id_digest_lo from ${schema}.checkpoints order by lane`,
        );
        return rows.map(laneOf);
      } finally {
        client.release(true);
      }
    }),
  );
  return lanes.flat();
}

interface LaneRow {
  readonly slot_from: number;
  readonly slot_to: number;
  readonly only_tenant: string | null;
  readonly except_tenants: string[];
  readonly commit_position: string | null;
  readonly event_id: string | null;
  readonly events: string;
  readonly id_digest_hi: string;
  readonly id_digest_lo: string;
}

function laneOf(row: LaneRow): { checkpoint: Checkpoint | null; tally: LaneTally } {
  const { commit_position: position, event_id: eventId } = row;
  return {
    checkpoint: position === null || eventId === null ? null : { position: BigInt(position), eventId },
    tally: {
      coverage: {
        slots: { from: row.slot_from, to: row.slot_to },
        tenantId: row.only_tenant,
        except: row.except_tenants,
      },
      events: Number(row.events),
      digest: { hi: BigInt(row.id_digest_hi), lo: BigInt(row.id_digest_lo) },
    },
  };
}

/** One schema may serve several stretches of slots. */
function distinctSchemas(sources: readonly CopySource[]): Pick<CopySource, 'databaseUrl' | 'schema'>[] {
  return [
    ...new Map(
      sources.map(({ databaseUrl, schema }) => [`${databaseUrl} ${schema}`, { databaseUrl, schema }]),
    ).values(),
  ];
}
