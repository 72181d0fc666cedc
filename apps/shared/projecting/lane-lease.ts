import type { ClientBase, Pool } from 'pg';
import type { Coverage } from '../generations/coverage';
import type { IdDigest } from '../log-ledger/id-digest';
import type { Checkpoint } from './lane-event';

/** Whoever holds it may write the lane until somebody else has taken it over. */
export interface LaneLease {
  readonly lane: number;
  readonly coverage: Coverage;
  readonly epoch: string;
  readonly checkpoint: Checkpoint | null;
}

/** Another process has taken the lane over: what this one was about to write is rolled back. */
export class LaneLost extends Error {
  override readonly name = 'LaneLost';

  constructor(lane: number) {
    super(`lane ${lane} was taken over by another process`);
  }
}

/** How long a killed process can hold up its lanes. Commits and renewals extend it, an orderly stop gives it up. */
export const leaseDurationMs = 3_000;

interface LeaseRow {
  readonly lane: number;
  readonly slot_from: number;
  readonly slot_to: number;
  readonly only_tenant: string | null;
  readonly except_tenants: string[];
  readonly epoch: string;
  readonly commit_position: string | null;
  readonly event_id: string | null;
}

/** The numbers of a target's lanes. */
export async function listLanes(pool: Pool, schema: string): Promise<number[]> {
  const { rows } = await pool.query<{ lane: number }>(`select lane from ${schema}.checkpoints order by lane`);
  return rows.map(({ lane }) => lane);
}

/**
 * Takes over those of the lanes (without `wanted`: of all) whose lease is free or has run out, each under a new epoch.
 * Of two processes that try at once one gets the lane; a lane that somebody has locked just now is left for the next try.
 */
export async function takeFreeLanes(
  pool: Pool,
  schema: string,
  owner: string,
  wanted: readonly number[] | null = null,
): Promise<LaneLease[]> {
  const { rows } = await pool.query<LeaseRow>(
    `update ${schema}.checkpoints
     set epoch = epoch + 1, owner = $1, lease_expires_at = now() + $2 * interval '1 millisecond'
     where lane in (
       select lane from ${schema}.checkpoints
       where (owner is null or lease_expires_at is null or lease_expires_at < now())
         and ($3::smallint[] is null or lane = any ($3))
       for update skip locked)
     returning lane, slot_from, slot_to, only_tenant, except_tenants, epoch, commit_position, event_id`,
    [owner, leaseDurationMs, wanted],
  );
  return rows.map((row) => ({
    lane: row.lane,
    coverage: {
      slots: { from: row.slot_from, to: row.slot_to },
      tenantId: row.only_tenant,
      except: row.except_tenants,
    },
    epoch: row.epoch,
    checkpoint:
      row.commit_position === null || row.event_id === null
        ? null
        : { position: BigInt(row.commit_position), eventId: row.event_id },
  }));
}

/** Extends the leases, also of lanes that have nothing to commit. Resolves to the numbers of those that are still ours. */
export async function renewLeases(
  pool: Pool,
  schema: string,
  leases: readonly LaneLease[],
): Promise<ReadonlySet<number>> {
  if (leases.length === 0) return new Set();
  const { rows } = await pool.query<{ lane: number }>(
    `update ${schema}.checkpoints c set lease_expires_at = now() + $3 * interval '1 millisecond'
     from unnest($1::smallint[], $2::bigint[]) as held (lane, epoch)
     where c.lane = held.lane and c.epoch = held.epoch returning c.lane`,
    [leases.map(({ lane }) => lane), leases.map(({ epoch }) => epoch), leaseDurationMs],
  );
  return new Set(rows.map(({ lane }) => lane));
}

/** Lets another process take the lanes at once. A lane that was lost is left alone. */
export async function releaseLeases(pool: Pool, schema: string, leases: readonly LaneLease[]): Promise<void> {
  await pool.query(
    `update ${schema}.checkpoints c set owner = null, lease_expires_at = null
     from unnest($1::smallint[], $2::bigint[]) as held (lane, epoch)
     where c.lane = held.lane and c.epoch = held.epoch`,
    [leases.map(({ lane }) => lane), leases.map(({ epoch }) => epoch)],
  );
}

/** The lane must not pass this position for now: a barrier stands there. */
export class LaneHeld extends Error {
  override readonly name = 'LaneHeld';

  constructor(
    lane: number,
    readonly position: bigint,
  ) {
    super(`lane ${lane} is held at ${position}`);
  }
}

/** Where a barrier holds a lane; null when none does, or its time has run out. */
const heldAt = `case when hold_expires_at > clock_timestamp() then hold_at end`;

/** What a lane finds as it begins a transaction: where it stands, and where it must stop. */
export interface LaneStanding {
  readonly position: bigint | null;
  readonly holdAt: bigint | null;
}

/**
 * Opens the transaction of a batch: names its tenants to row-level security, and locks the lane until COMMIT, so that
 * whoever else locks it (a barrier, a requeue) finds it between two batches, never within one. The epoch keeps out a
 * writer that was paused while its lane was taken over. Throws {@link LaneLost}.
 */
export async function beginBatch(
  client: ClientBase,
  schema: string,
  lease: LaneLease,
  tenantIds: readonly string[],
): Promise<LaneStanding> {
  const { rows } = await client.query<{ position: string | null; hold_at: string | null }>(
    `select set_config('app.tenant_ids', $1, true), commit_position as position, ${heldAt} as hold_at
     from ${schema}.checkpoints where lane = $2 and epoch = $3 for no key update`,
    [`{${tenantIds.join(',')}}`, lease.lane, lease.epoch],
  );
  const [row] = rows;
  if (row === undefined) throw new LaneLost(lease.lane);
  return { position: asBigint(row.position), holdAt: asBigint(row.hold_at) };
}

/** Resolves to whether a barrier still holds the lane. */
export async function isHeld(pool: Pool, schema: string, { lane }: LaneLease): Promise<boolean> {
  const { rows } = await pool.query<{ hold_at: string | null }>(
    `select ${heldAt} as hold_at from ${schema}.checkpoints where lane = $1`,
    [lane],
  );
  return rows[0]?.hold_at != null;
}

function asBigint(text: string | null): bigint | null {
  return text === null ? null : BigInt(text);
}

/** The halves of a digest add up modulo this (log-ledger/id-digest.ts). */
const twoTo64 = '18446744073709551616';

/** Moves the checkpoint in the transaction of the rows it stands for, which {@link beginBatch} has begun. */
export async function moveCheckpoint(
  client: ClientBase,
  schema: string,
  lease: LaneLease,
  { to, events, digest, parked }: { to: Checkpoint; events: number; digest: IdDigest; parked: number },
): Promise<void> {
  await client.query(
    `update ${schema}.checkpoints
     set commit_position = $2, prepare_position = $2, event_id = $3, events = events + $4, updated_at = now(),
         parked_sequences = parked_sequences + $5,
         id_digest_hi = (id_digest_hi + $7::numeric) % ${twoTo64}, id_digest_lo = (id_digest_lo + $8::numeric) % ${twoTo64},
         lease_expires_at = now() + $6 * interval '1 millisecond'
     where lane = $1`,
    [
      ...[lease.lane, to.position.toString(), to.eventId, events, parked, leaseDurationMs],
      ...[digest.hi.toString(), digest.lo.toString()],
    ],
  );
}
