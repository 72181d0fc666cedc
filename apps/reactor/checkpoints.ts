import type { Pool } from 'pg';
import type { LogEvent, LogReadOptions } from '../shared/event-store/event-store';
import { inTransaction } from '../shared/postgres/transaction';

export type Checkpoint = NonNullable<LogReadOptions['after']>;

export interface Lease {
  readonly epoch: bigint;
  readonly checkpoint: Checkpoint | null;
}

/** Another process owns the reactor now. Whoever sees this must stop: what it still does, the other does as well. */
export class LeaseLost extends Error {
  constructor(reactor: string, epoch: bigint) {
    super(`the lease of reactor ${reactor} under epoch ${epoch} is no longer ours`);
    this.name = 'LeaseLost';
  }
}

/** The lease and the durable checkpoint of one reactor, in the control database. */
export class ReactorCheckpoints {
  constructor(
    private readonly pool: Pool,
    private readonly reactor: string,
    private readonly owner: string,
    private readonly leaseMs: number,
  ) {}

  /** Takes the lease if it is free, expired or this owner's; `null` while another owner holds it. */
  async acquire(): Promise<Lease | null> {
    await this.pool.query(
      'insert into reactor_checkpoints (reactor) values ($1) on conflict (reactor) do nothing',
      [this.reactor],
    );
    const { rows } = await this.pool.query<{
      epoch: string;
      commit_position: string | null;
      event_id: string | null;
    }>(
      `update reactor_checkpoints
       set epoch = epoch + 1, owner = $2, lease_expires_at = now() + $3 * interval '1 millisecond'
       where reactor = $1 and (owner is null or owner = $2 or lease_expires_at < now())
       returning epoch, commit_position, event_id`,
      [this.reactor, this.owner, this.leaseMs],
    );
    const row = rows[0];
    if (!row) return null;
    const { commit_position: position, event_id: eventId } = row;
    const checkpoint = position === null || eventId === null ? null : { position: BigInt(position), eventId };
    return { epoch: BigInt(row.epoch), checkpoint };
  }

  /** Renews the lease and, where there is one, moves the checkpoint, never backwards. @throws LeaseLost */
  async save({ epoch }: Lease, checkpoint: Checkpoint | null): Promise<void> {
    const { rowCount } = await this.pool.query(
      `update reactor_checkpoints
       set commit_position = coalesce($3, commit_position), prepare_position = coalesce($3, prepare_position),
           event_id = coalesce($4, event_id), updated_at = now(),
           lease_expires_at = now() + $5 * interval '1 millisecond'
       where reactor = $1 and epoch = $2 and ($3::numeric is null or commit_position is null or commit_position <= $3)`,
      [
        this.reactor,
        epoch.toString(),
        checkpoint?.position.toString() ?? null,
        checkpoint?.eventId ?? null,
        this.leaseMs,
      ],
    );
    if (rowCount !== 1) throw new LeaseLost(this.reactor, epoch);
  }

  /** Records an event that could not be answered and steps over it, in one transaction. @throws LeaseLost */
  async park({ epoch }: Lease, event: LogEvent, reason: string): Promise<void> {
    await inTransaction(this.pool, async (client) => {
      const { rowCount } = await client.query(
        `update reactor_checkpoints
         set commit_position = $3, prepare_position = $3, event_id = $4, updated_at = now()
         where reactor = $1 and epoch = $2`,
        [this.reactor, epoch.toString(), event.position.toString(), event.id],
      );
      if (rowCount !== 1) throw new LeaseLost(this.reactor, epoch);
      await client.query(
        `insert into reactor_parked (reactor, event_id, stream_name, event_type, revision, commit_position, reason)
         values ($1, $2, $3, $4, $5, $6, $7) on conflict (reactor, event_id) do nothing`,
        [
          this.reactor,
          event.id,
          event.streamName,
          event.type,
          event.revision,
          event.position.toString(),
          reason,
        ],
      );
    });
  }

  /** Lets the next owner begin at once. A lease that is no longer ours is left alone. */
  async release({ epoch }: Lease): Promise<void> {
    await this.pool.query(
      'update reactor_checkpoints set owner = null, lease_expires_at = null where reactor = $1 and epoch = $2',
      [this.reactor, epoch.toString()],
    );
  }
}
