import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { DatabaseError, type ClientBase, type Pool } from 'pg';
import { inTransaction } from '../postgres/transaction';
import { leaseDurationMs } from './lane-lease';

/** A target whose lanes are to stand still; the pool logs in as owner. */
export interface HeldTarget {
  readonly pool: Pool;
  readonly schema: string;
}

/** All lanes stand at {@link position} and stay there until {@link release}, or until the time has run out. */
export interface Barrier {
  /** 0 where nothing of the log has been read yet. */
  readonly position: bigint;
  /** How long the lanes are certain to stand still yet, ms; 0 or less: they may have gone on. */
  remainingMs(): number;
  /** Lets the lanes go on. Safe to call twice. */
  release(): Promise<void>;
}

export interface BarrierOptions {
  readonly signal: AbortSignal;
  /** Bound on all tries together, ms; default 30,000. */
  readonly timeoutMs?: number;
}

/** Some lanes did not come to where the furthest stands: no projector runs for them, or they are far behind. */
export class BarrierTimeout extends Error {
  override readonly name = 'BarrierTimeout';
}

/** The targets of one database, which share a transaction. */
interface HeldDatabase {
  readonly pool: Pool;
  readonly schemas: readonly string[];
}

/** Lanes of a caller that has died go on by themselves after this time. */
const holdDurationMs = leaseDurationMs;
const timeoutDefaultMs = 30_000;
/** Where lanes are too far apart, those in front go on between two tries: no try makes readers wait for long. */
const arrivalMinMs = 250;
const arrivalMaxMs = 1_500;
const pollIntervalMs = 2;
const lockTimeoutMs = 1_000;

/**
 * Brings all lanes of the targets, in whatever databases, to one position of the log, that of the furthest lane, and
 * keeps them there; they keep their leases, and go on within milliseconds of the release. Every lane of every tier passes
 * every position that any of them stands at, because each is handed all events of our streams but the chunks of content.
 * Of two barriers over one target the second waits for the first. Throws {@link BarrierTimeout}.
 */
export async function raiseBarrier(
  targets: readonly HeldTarget[],
  { signal, timeoutMs = timeoutDefaultMs }: BarrierOptions,
): Promise<Barrier> {
  const databases = byDatabase(targets);
  const deadline = performance.now() + timeoutMs;
  for (let arrivalMs = arrivalMinMs; ; arrivalMs = Math.min(2 * arrivalMs, arrivalMaxMs)) {
    const barrier = await holdAll(databases, deadline, signal);
    try {
      if (await haveArrived(databases, barrier, arrivalMs, signal)) return barrier;
    } catch (error) {
      await barrier.release().catch(() => undefined);
      throw error;
    }
    await barrier.release();
    if (performance.now() > deadline)
      throw new BarrierTimeout(
        `the lanes of ${targets.map(({ schema }) => schema).join(', ')} do not come to one position: is a projector running?`,
      );
    await delay(arrivalMs, undefined, { signal });
  }
}

/** Sets the holds of all targets under the locks of all their lanes, so that no lane can have gone further. */
async function holdAll(
  databases: readonly HeldDatabase[],
  deadline: number,
  signal: AbortSignal,
): Promise<Barrier> {
  const id = randomUUID();
  const release = (): Promise<void> => letGo(databases, id);
  for (;;) {
    signal.throwIfAborted();
    const expiresAt = performance.now() + holdDurationMs;
    try {
      const position = await inTransactions(databases, (clients) => hold(databases, clients, id));
      if (position !== null) return { position, release, remainingMs: () => expiresAt - performance.now() };
    } catch (error) {
      // Some databases may have committed.
      await release().catch(() => undefined);
      if (!isLockTimeout(error)) throw error;
    }
    if (performance.now() > deadline)
      throw new BarrierTimeout('the lanes were held or locked by somebody else all the time');
    await delay(pollIntervalMs, undefined, { signal });
  }
}

/** The position of the furthest lane, at which all are held now; null when another barrier stands. */
async function hold(
  databases: readonly HeldDatabase[],
  clients: readonly ClientBase[],
  id: string,
): Promise<bigint | null> {
  const standings = await Promise.all(
    databases.map(({ schemas }, n) => lockLanes(clients[n] as ClientBase, schemas)),
  );
  if (standings.some(({ isHeld }) => isHeld)) return null;
  const position = standings.reduce((far, lanes) => (lanes.position > far ? lanes.position : far), 0n);
  await Promise.all(
    databases.map(async ({ schemas }, n) => {
      for (const schema of schemas)
        await clients[n]?.query(
          `update ${schema}.checkpoints set hold_at = $1, hold_id = $2,
                  hold_expires_at = clock_timestamp() + $3 * interval '1 millisecond'`,
          [position.toString(), id, holdDurationMs],
        );
    }),
  );
  return position;
}

/** Waits for batches under way; finds the furthest lane. */
async function lockLanes(
  client: ClientBase,
  schemas: readonly string[],
): Promise<{ position: bigint; isHeld: boolean }> {
  await client.query(`set local lock_timeout = ${lockTimeoutMs}`);
  let position = 0n;
  let isHeld = false;
  for (const schema of schemas) {
    const { rows } = await client.query<{ position: string; held: boolean }>(
      `select coalesce(commit_position, 0) as position, coalesce(hold_expires_at > clock_timestamp(), false) as held
       from ${schema}.checkpoints order by lane for update`,
    );
    for (const row of rows) {
      isHeld ||= row.held;
      if (BigInt(row.position) > position) position = BigInt(row.position);
    }
  }
  return { position, isHeld };
}

/** One transaction in each database around `work`; they commit one after the other. */
async function inTransactions<T>(
  databases: readonly HeldDatabase[],
  work: (clients: readonly ClientBase[]) => Promise<T>,
  clients: readonly ClientBase[] = [],
): Promise<T> {
  const next = databases[clients.length];
  if (next === undefined) return work(clients);
  return inTransaction(next.pool, (client) => inTransactions(databases, work, [...clients, client]));
}

async function haveArrived(
  databases: readonly HeldDatabase[],
  { position }: Barrier,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const behind = await Promise.all(databases.map((database) => lanesBehind(database, position)));
    if (behind.every((lanes) => lanes === 0)) return true;
    if (performance.now() > deadline) return false;
    await delay(pollIntervalMs, undefined, { signal });
  }
}

async function lanesBehind({ pool, schemas }: HeldDatabase, position: bigint): Promise<number> {
  const lanes = schemas.map((schema) => `select commit_position from ${schema}.checkpoints`);
  const { rows } = await pool.query<{ behind: number }>(
    `select count(*)::int as behind from (${lanes.join(' union all ')}) lanes
     where coalesce(commit_position, 0) <> $1::numeric`,
    [position.toString()],
  );
  return rows[0]?.behind ?? 0;
}

async function letGo(databases: readonly HeldDatabase[], id: string): Promise<void> {
  const done = await Promise.allSettled(
    databases.map(async ({ pool, schemas }) => {
      for (const schema of schemas)
        await pool.query(
          `update ${schema}.checkpoints set hold_at = null, hold_id = null, hold_expires_at = null where hold_id = $1`,
          [id],
        );
    }),
  );
  for (const each of done) if (each.status === 'rejected') throw each.reason;
}

function byDatabase(targets: readonly HeldTarget[]): HeldDatabase[] {
  const schemas = new Map<Pool, string[]>();
  for (const { pool, schema } of targets) schemas.set(pool, [...(schemas.get(pool) ?? []), schema]);
  return [...schemas].map(([pool, its]) => ({ pool, schemas: its }));
}

/** Two callers may lock the lanes of two databases crosswise, which no server can see. */
function isLockTimeout(error: unknown): boolean {
  return error instanceof DatabaseError && (error.code === '55P03' || error.code === '40P01');
}
