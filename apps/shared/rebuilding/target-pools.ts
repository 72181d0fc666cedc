import type { Pool } from 'pg';
import { projectionTier } from '../../../projections/tiers';
import type { ProjectionTier } from '../../../projections/tier';
import { inTransaction } from '../postgres/transaction';
import type { LoadOutcome, TargetToLoad, TierToLoad } from './contracts';
import { OwnerPools } from './owner-pools';

/** Index builds of two tables, one to cancel them, one to spare. */
const connectionsPerDatabaseMin = 4;

/** A target of the run with connections of its owner. */
export interface OpenTarget extends TargetToLoad {
  /** Place of its tier in the run, and of the target in the tier. */
  readonly place: { readonly tier: number; readonly target: number };
  readonly tier: ProjectionTier;
  readonly pool: Pool;
}

/** Connections to all targets of a run. */
export class TargetPools {
  readonly owners: OwnerPools;
  readonly all: readonly OpenTarget[];

  /** Throws for a name that is no tier with projections. */
  constructor(tiers: readonly TierToLoad[]) {
    this.owners = new OwnerPools(tiers, connectionsPerDatabaseMin);
    this.all = tiers.flatMap(({ tier: name, targets }, tier) =>
      targets.map((target, index) => ({
        ...target,
        place: { tier, target: index },
        tier: tierNamed(name),
        pool: this.owners.of(target.databaseUrl),
      })),
    );
  }

  /**
   * Does the work for every target: databases side by side, the targets of each one after the other, in their order. Throws
   * the first error once all that had begun has ended.
   */
  async each(work: (target: OpenTarget) => Promise<void>): Promise<void> {
    const results = await Promise.allSettled(
      [...new Set(this.all.map(({ pool }) => pool))].map(async (pool) => {
        for (const target of this.all) if (target.pool === pool) await work(target);
      }),
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async close(): Promise<void> {
    await this.owners.close();
  }
}

export function tierNamed(name: string): ProjectionTier {
  const tier = projectionTier(name);
  if (tier === undefined) throw new Error(`${name} is no tier with projections`);
  return tier;
}

/** Units of the run as a whole; those of its phases have names of their own. */
const begunBy = (runId: string): string => `run ${runId}`;
const finishedUnit = (identity: string): string => `finished ${identity}`;

/** Marks the target as this run's. Throws when another one has begun to fill it: what that wrote cannot be told apart. */
export async function claimTarget({ pool, schema }: OpenTarget, runId: string): Promise<void> {
  const { rows } = await pool.query<{ unit: string }>(
    `with claimed as (
       insert into ${schema}.load_units (unit) select $1
       where not exists (select from ${schema}.load_units where unit like 'run %') returning unit)
     select unit from claimed union all select unit from ${schema}.load_units where unit like 'run %'`,
    [begunBy(runId)],
  );
  if (rows.some(({ unit }) => unit !== begunBy(runId)))
    throw new Error(
      `${schema} was begun by another run, whose spool is not here: drop the generation and begin anew`,
    );
}

export async function markFinished({ pool, schema }: OpenTarget, identity: string): Promise<void> {
  await pool.query(`insert into ${schema}.load_units (unit) values ($1) on conflict do nothing`, [
    finishedUnit(identity),
  ]);
}

/** Whether a run over the same log into the same targets has come to its end in all of them. */
export async function areFinished(targets: readonly OpenTarget[], identity: string): Promise<boolean> {
  for (const { pool, schema } of targets) {
    const { rowCount } = await pool.query(`select 1 from ${schema}.load_units where unit = $1`, [
      finishedUnit(identity),
    ]);
    if (rowCount !== 1) return false;
  }
  return targets.length > 0;
}

/** How far the lanes of a target have come; they all stand at one place. */
export interface LaneProgress {
  readonly checkpoint: LoadOutcome['checkpoint'];
  readonly events: number;
  readonly parkedEvents: number;
}

export async function progressOf({
  pool,
  schema,
}: Pick<OpenTarget, 'pool' | 'schema'>): Promise<LaneProgress> {
  return inTransaction(pool, async (client) => {
    // Row-level security hides parked events from their owner.
    await client.query('set local role mailfold_auditor');
    const { rows } = await client.query<{
      position: string | null;
      eventId: string | null;
      events: string;
      parkedEvents: number;
    }>(
      `select max(commit_position)::text as position, max(event_id::text) as "eventId", sum(events)::text as events,
              (select count(*)::int from ${schema}.parked_sequences) as "parkedEvents"
       from ${schema}.checkpoints`,
    );
    const { position = null, eventId = null, events = '0', parkedEvents = 0 } = rows[0] ?? {};
    const checkpoint = position === null || eventId === null ? null : { position: BigInt(position), eventId };
    return { checkpoint, events: Number(events), parkedEvents };
  });
}
