import type { ClientBase } from 'pg';
import { storableText } from '../mail/storable-text';
import type { LaneEvent } from './lane-event';
import type { PositionedOperation } from './row-writer';

const reasonLengthMax = 1_000;
/** In place of a lane: all of them. */
const everyLane = -1;

/** An event that was not applied, and why. */
export interface ParkedEvent {
  readonly event: LaneEvent;
  readonly reason: string;
}

/** From which position on a lane applies nothing of a sequence. Every lane knows of poison that nobody can read or project. */
export interface StoppedSequence {
  readonly tenantId: string;
  readonly sequenceId: string;
  /** Of the poison event. */
  readonly position: bigint;
  /** Null: every lane; else the one lane whose own rows could not take the event. */
  readonly lane: number | null;
}

/** An event in a lane's batch. */
export interface BatchEvent extends LaneEvent {
  /** Whether the lane covers the sequence: it keeps what is parked of it. */
  readonly isHome: boolean;
  /** Set: the lane has found out by its own rows that it cannot apply the event; others may have applied their part. */
  readonly refusal?: string;
}

/** What becomes of a batch, given what is stopped already. */
export interface Split {
  readonly operations: readonly PositionedOperation[];
  readonly parked: readonly ParkedEvent[];
  readonly stopped: readonly StoppedSequence[];
  /** How many sequences the lane has begun to park. */
  readonly newlyParked: number;
}

/**
 * A sequence goes on only as far as its first poison event: what comes after it was decided upon what it said. Poison that
 * can be known without looking at rows stops the sequence in every lane of every target, so that what is applied does not
 * depend on how slots are divided. A value that PostgreSQL or a fold refuses, given the row it meets, stops it in the lane
 * that has met it.
 */
export function splitBatch(
  lane: number,
  batch: readonly BatchEvent[],
  stoppedBefore: readonly StoppedSequence[],
): Split {
  const stops = new Map<string, StoppedSequence>(stoppedBefore.map((stop) => [nameOf(stop), stop]));
  const operations: PositionedOperation[] = [];
  const parked: ParkedEvent[] = [];
  const stopped: StoppedSequence[] = [];
  let newlyParked = 0;
  for (const event of batch) {
    const { sequence, position, isHome, poison, refusal } = event;
    const stop = stops.get(nameOf(sequence));
    if (poison === null && refusal === undefined && !(stop !== undefined && stop.position < position)) {
      operations.push(...event.operations.map((operation) => ({ position, operation })));
      continue;
    }
    const reason = poison ?? refusal ?? 'an earlier event of its sequence is parked';
    const keeps = isHome || refusal !== undefined || stop?.lane === lane;
    if (keeps) parked.push({ event, reason });
    // Another lane of the schema may have written down the same stop already.
    const isFirst = stop === undefined || stop.position === position;
    if (keeps && isFirst) newlyParked += 1;
    if (stop !== undefined) continue;
    const { tenantId, sequenceId } = sequence;
    const newStop = { tenantId, sequenceId, position, lane: poison === null ? lane : null };
    stops.set(nameOf(newStop), newStop);
    stopped.push(newStop);
  }
  return { operations, parked, stopped, newlyParked };
}

function nameOf({ tenantId, sequenceId }: { tenantId: string; sequenceId: string }): string {
  return `${tenantId}/${sequenceId}`;
}

/** Which sequences of these events are stopped in a lane; as of this transaction, so that a release takes effect at once. */
export async function stoppedAmong(
  client: ClientBase,
  schema: string,
  lane: number,
  events: readonly LaneEvent[],
): Promise<StoppedSequence[]> {
  const { rows } = await client.query<StopRow>(
    `select distinct on (s.tenant_id, s.sequence_id)
            s.tenant_id as "tenantId", s.sequence_id as "sequenceId", s.position::text as position, s.lane
     from unnest($1::uuid[], $2::uuid[]) as k (tenant_id, sequence_id)
     join ${schema}.stopped_sequences s on s.tenant_id = k.tenant_id and s.sequence_id = k.sequence_id
     where s.lane in (${everyLane}, $3) order by s.tenant_id, s.sequence_id, s.position`,
    [
      events.map(({ sequence }) => sequence.tenantId),
      events.map(({ sequence }) => sequence.sequenceId),
      lane,
    ],
  );
  return rows.map(stopOf);
}

interface StopRow {
  readonly tenantId: string;
  readonly sequenceId: string;
  readonly position: string;
  readonly lane: number;
}

function stopOf({ tenantId, sequenceId, position, lane }: StopRow): StoppedSequence {
  return { tenantId, sequenceId, position: BigInt(position), lane: lane === everyLane ? null : lane };
}

/** In the transaction of the batch. */
export async function stop(
  client: ClientBase,
  schema: string,
  stopped: readonly StoppedSequence[],
): Promise<void> {
  if (stopped.length === 0) return;
  await client.query(
    `insert into ${schema}.stopped_sequences (tenant_id, sequence_id, position, lane)
     select * from unnest($1::uuid[], $2::uuid[], $3::numeric[], $4::smallint[])
     on conflict (tenant_id, sequence_id, lane) do nothing`,
    [
      stopped.map(({ tenantId }) => tenantId),
      stopped.map(({ sequenceId }) => sequenceId),
      stopped.map(({ position }) => position.toString()),
      stopped.map(({ lane }) => lane ?? everyLane),
    ],
  );
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

/** All stops of a tenant in a target. */
export async function stopsOf(
  client: ClientBase,
  schema: string,
  tenantId: string,
): Promise<StoppedSequence[]> {
  await client.query(`select set_config('app.tenant_ids', $1, true)`, [`{${tenantId}}`]);
  const { rows } = await client.query<StopRow>(
    `select tenant_id as "tenantId", sequence_id as "sequenceId", position::text as position, lane
     from ${schema}.stopped_sequences where tenant_id = $1`,
    [tenantId],
  );
  return rows.map(stopOf);
}

/** Ends the stop of a sequence in a target, once its rows are as they would be without. Returns how many events were parked. */
export async function release(
  client: ClientBase,
  schema: string,
  { tenantId, sequenceId }: { tenantId: string; sequenceId: string },
  lanesThatCountedIt: readonly number[],
): Promise<number> {
  const sequence = [tenantId, sequenceId];
  const where = 'where tenant_id = $1 and sequence_id = $2';
  await client.query(`delete from ${schema}.stopped_sequences ${where}`, sequence);
  const { rowCount } = await client.query(`delete from ${schema}.parked_sequences ${where}`, sequence);
  await client.query(
    `update ${schema}.checkpoints set parked_sequences = greatest(parked_sequences - 1, 0) where lane = any ($1)`,
    [lanesThatCountedIt],
  );
  return rowCount ?? 0;
}
