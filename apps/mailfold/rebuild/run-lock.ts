import { Client, type Pool } from 'pg';
import type { Tier } from '../../../projections/projection';
import { RunRefused } from './run-states';

/** Advisory locks end with their connection, so a killed process leaves none behind. */
export interface RunLock {
  /** Aborted when the connection is gone: from then on somebody else may work on the run. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

const connectTimeoutMs = 5_000;
/** PostgreSQL cuts off what is longer. */
const applicationNameMax = 63;
const applicationPrefix = 'mailfold: ';

/**
 * For whoever fills the generations of a run: one process per run, and one run per tier at a time. Throws
 * {@link RunRefused} at once, naming who holds it, when somebody does. `owner` is shown to the next one who asks.
 */
export async function lockRun(
  controlUrl: string,
  { run, tiers }: { readonly run: number; readonly tiers: readonly Tier[] },
  owner: string,
): Promise<RunLock> {
  return lock(controlUrl, `${owner}, run ${run}`, [
    { name: lockOfRun(run), of: tiers.length === 0 ? `run ${run}` : `a run on ${tiers.join(', ')}` },
    // In one order, so that two runs over the same tiers never wait for each other.
    ...[...tiers].sort().map((tier) => ({ name: lockOfTier(tier), of: `a run on ${tier}` })),
  ]);
}

/** Two estimates at a time would measure each other. Throws {@link RunRefused} as {@link lockRun} does. */
export async function lockEstimate(controlUrl: string, owner: string): Promise<RunLock> {
  return lock(controlUrl, `${owner}, estimate`, [{ name: 'estimate', of: 'an estimate' }]);
}

interface LockToTake {
  readonly name: string;
  /** What it stands for, to whoever is refused. */
  readonly of: string;
}

async function lock(controlUrl: string, holder: string, locks: readonly LockToTake[]): Promise<RunLock> {
  const lost = new AbortController();
  const client = new Client({
    connectionString: controlUrl,
    application_name: `${applicationPrefix}${holder}`.slice(0, applicationNameMax),
    keepAlive: true,
    connectionTimeoutMillis: connectTimeoutMs,
  });
  client.on('error', () => lost.abort(new Error('the lock of the run was lost with its connection')));
  await client.connect();
  try {
    for (const wanted of locks) if (!(await isTaken(client, wanted.name))) await refuse(client, wanted);
  } catch (error) {
    await client.end();
    throw error;
  }
  return { lost: lost.signal, release: () => client.end() };
}

async function isTaken(client: Client, name: string): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    `select pg_try_advisory_lock(hashtext('mailfold rebuild'), hashtext($1)) as locked`,
    [name],
  );
  return rows[0]?.locked === true;
}

async function refuse(client: Client, { name, of }: LockToTake): Promise<never> {
  const holder = await holderOf(client, name);
  const who = holder === null ? '' : ` (${holder})`;
  throw new RunRefused(`${of} is under way already${who}`, null, ['status']);
}

export function lockOfRun(run: number): string {
  return `run ${run}`;
}

export function lockOfTier(tier: Tier): string {
  return tier;
}

/** Who holds a lock, as far as its session tells; null when nobody does. */
export async function holderOf(db: Pick<Client, 'query'> | Pool, name: string): Promise<string | null> {
  const { rows } = await db.query<{ holder: string }>(
    `select replace(a.application_name, $2, '') || ', since ' ||
       to_char(a.backend_start at time zone 'UTC', 'HH24:MI:SS') || ' UTC' as holder
     from pg_locks l join pg_stat_activity a using (pid)
     where l.locktype = 'advisory' and l.granted and l.database = (select oid from pg_database where datname = current_database())
       and l.classid = (hashtext('mailfold rebuild')::bigint & x'ffffffff'::bigint)::oid
       and l.objid = (hashtext($1)::bigint & x'ffffffff'::bigint)::oid`,
    [name, applicationPrefix],
  );
  return rows[0]?.holder ?? null;
}
