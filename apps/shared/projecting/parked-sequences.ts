import type { ClientBase } from 'pg';
import { storableText } from '../mail/storable-text';
import type { LaneEvent } from './lane-event';

const reasonLengthMax = 1_000;

/** Which sequences of these events are parked already; as of this transaction, so that a release takes effect at once. */
export async function parkedAmong(
  client: ClientBase,
  schema: string,
  events: readonly LaneEvent[],
): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ sequence: string }>(
    `select distinct p.tenant_id || '/' || p.sequence_id as sequence
     from unnest($1::uuid[], $2::uuid[]) as k (tenant_id, sequence_id)
     join ${schema}.parked_sequences p on p.tenant_id = k.tenant_id and p.sequence_id = k.sequence_id`,
    [events.map(({ sequence }) => sequence.tenantId), events.map(({ sequence }) => sequence.sequenceId)],
  );
  return new Set(rows.map(({ sequence }) => sequence));
}

export function sequenceName({ sequence }: LaneEvent): string {
  return `${sequence.tenantId}/${sequence.sequenceId}`;
}

/** An event that was not applied, and why. */
export interface ParkedEvent {
  readonly event: LaneEvent;
  readonly reason: string;
}

/** Keeps the order of what was not applied, for whoever folds the sequence again once the cause is gone. */
export async function park(
  client: ClientBase,
  schema: string,
  parked: readonly ParkedEvent[],
): Promise<void> {
  if (parked.length === 0) return;
  await client.query(
    `insert into ${schema}.parked_sequences
       (tenant_id, slot, sequence_id, position, event_id, event_type, reason)
     select * from unnest($1::uuid[], $2::smallint[], $3::uuid[], $4::numeric[], $5::uuid[], $6::text[], $7::text[])
     on conflict (tenant_id, sequence_id, event_id) do nothing`,
    [
      parked.map(({ event }) => event.sequence.tenantId),
      parked.map(({ event }) => event.sequence.slot),
      parked.map(({ event }) => event.sequence.sequenceId),
      parked.map(({ event }) => event.position.toString()),
      parked.map(({ event }) => event.id),
      parked.map(({ event }) => event.type),
      parked.map(({ reason }) => storableText(reason).slice(0, reasonLengthMax)),
    ],
  );
}
