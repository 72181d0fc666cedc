import type { ClientBase, Pool } from 'pg';
import type { LogReadOptions } from '../event-store/event-store';
import { inTransaction } from '../postgres/transaction';
import { segmentColumns, segmentOf, valuesOf, type SegmentRow } from './ledger-rows';
import type { Segment } from './segment';

export type Checkpoint = NonNullable<LogReadOptions['after']>;

/** Whoever holds it may write the ledger until somebody else has taken it over. */
export interface LedgerLease {
  readonly epoch: string;
  readonly checkpoint: Checkpoint | null;
  /** The last segment, up to the checkpoint exactly; null for an empty ledger. */
  readonly open: Segment | null;
}

/** Another process writes the ledger now: what this one was about to write is rolled back. */
export class LedgerLost extends Error {
  override readonly name = 'LedgerLost';

  constructor() {
    super('the log ledger was taken over by another process');
  }
}

/** How long a killed writer can hold up the ledger. Writes and renewals extend it, an orderly stop gives it up. */
export const leaseDurationMs = 3_000;

/** Takes the ledger over if its lease is free, run out or this owner's, under a new epoch; null while another holds it. */
export async function takeLedger(pool: Pool, owner: string): Promise<LedgerLease | null> {
  return inTransaction(pool, async (client) => {
    const { rows } = await client.query<{
      epoch: string;
      commit_position: string | null;
      event_id: string | null;
    }>(
      `update log_ledger_checkpoint
       set epoch = epoch + 1, owner = $1, lease_expires_at = now() + $2 * interval '1 millisecond'
       where owner is null or owner = $1 or lease_expires_at is null or lease_expires_at < now()
       returning epoch, commit_position, event_id`,
      [owner, leaseDurationMs],
    );
    const row = rows[0];
    if (row === undefined) return null;
    const { epoch, commit_position: position, event_id: eventId } = row;
    const checkpoint = position === null || eventId === null ? null : { position: BigInt(position), eventId };
    return { epoch, checkpoint, open: await lastSegment(client) };
  });
}

/** Extends the lease of a writer that has nothing to write. @throws LedgerLost */
export async function renewLedger(pool: Pool, { epoch }: LedgerLease): Promise<void> {
  const { rowCount } = await pool.query(
    `update log_ledger_checkpoint set lease_expires_at = now() + $2 * interval '1 millisecond' where epoch = $1`,
    [epoch, leaseDurationMs],
  );
  if (rowCount !== 1) throw new LedgerLost();
}

/** Lets another process take the ledger at once. One that was lost is left alone. */
export async function releaseLedger(pool: Pool, { epoch }: LedgerLease): Promise<void> {
  await pool.query(
    'update log_ledger_checkpoint set owner = null, lease_expires_at = null where epoch = $1',
    [epoch],
  );
}

/**
 * Writes segments and moves the checkpoint from one place to the next, in one transaction. The epoch keeps out a writer
 * that was paused while the ledger was taken over; the old position keeps out one that has already committed this and did
 * not hear of it. @throws LedgerLost
 */
export async function writeLedger(
  pool: Pool,
  { epoch }: LedgerLease,
  { segments, from, to }: { segments: readonly Segment[]; from: Checkpoint | null; to: Checkpoint },
): Promise<void> {
  await inTransaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `update log_ledger_checkpoint
       set commit_position = $3, prepare_position = $3, event_id = $4, updated_at = now(),
           lease_expires_at = now() + $5 * interval '1 millisecond'
       where epoch = $1 and commit_position is not distinct from $2::numeric`,
      [epoch, from?.position.toString() ?? null, to.position.toString(), to.eventId, leaseDurationMs],
    );
    if (rowCount !== 1) throw new LedgerLost();
    await upsertSegments(client, segments);
  });
}

async function upsertSegments(client: ClientBase, segments: readonly Segment[]): Promise<void> {
  const columns = columnTypes.map((_type, column) => segments.map((segment) => valuesOf(segment)[column]));
  const parameters = columnTypes.map((type, column) => `$${column + 1}::${type}[]`);
  await client.query(
    `insert into log_ledger (${segmentColumns}) select * from unnest(${parameters.join(', ')})
     on conflict (position_from) do update
     set position_to = excluded.position_to, ordinal_to = excluded.ordinal_to, events = excluded.events,
         bytes = excluded.bytes, digest_hi = excluded.digest_hi, digest_lo = excluded.digest_lo,
         time_to = excluded.time_to, census = excluded.census`,
    columns,
  );
}

/** In the order of {@link segmentColumns}. */
const columnTypes = [
  ...['numeric', 'numeric', 'bigint', 'integer', 'bigint'],
  ...['numeric', 'numeric', 'timestamptz', 'timestamptz', 'jsonb'],
];

async function lastSegment(client: ClientBase): Promise<Segment | null> {
  const { rows } = await client.query<SegmentRow>(
    `select ${segmentColumns} from log_ledger order by position_from desc limit 1`,
  );
  return rows[0] === undefined ? null : segmentOf(rows[0]);
}
