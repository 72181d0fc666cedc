import type { ClientBase } from 'pg';
import { covers, coversTenant, type Coverage } from '../../generations/coverage';
import type { Checkpoint } from '../../projecting/lane-event';
import type { LaneTally } from '../contracts';

/** What the sources could not apply. Rows are JSON text, since a position does not fit in a number. */
export interface ParkedState {
  /** Of `parked_sequences`. */
  readonly events: readonly ParkedRow[];
  /** Of `stopped_sequences`; each is known to every lane. */
  readonly stops: readonly { readonly tenantId: string; readonly json: string }[];
}

/** One event that was not applied. */
export interface ParkedRow {
  readonly tenantId: string;
  readonly slot: number;
  readonly sequenceId: string;
  readonly eventId: string;
  readonly json: string;
}

/**
 * Throws when a lane has stopped a sequence for itself alone: its rows hold less of the sequence than others do, and which
 * rows those are nobody knows once its slots are divided.
 */
export async function parkedState(client: ClientBase, schema: string): Promise<ParkedState> {
  const events = await client.query<ParkedRow>(
    `select tenant_id as "tenantId", slot, sequence_id as "sequenceId", event_id as "eventId", to_jsonb(p)::text as json
     from ${schema}.parked_sequences p`,
  );
  const stops = await client.query<{ tenantId: string; lane: number; json: string }>(
    `select tenant_id as "tenantId", lane, to_jsonb(s)::text as json from ${schema}.stopped_sequences s`,
  );
  const apart = stops.rows.filter(({ lane }) => lane >= 0).length;
  if (apart > 0)
    throw new Error(
      `${schema} cannot be copied: single lanes have parked ${apart} sequences; requeue them, or rebuild from the log`,
    );
  return { events: events.rows, stops: stops.rows };
}

/** What a source says of the rows it is asked for; a schema may hold others besides, which somebody else serves. */
export function parkedWithin(coverage: Coverage, { events, stops }: ParkedState): ParkedState {
  return {
    events: events.filter((row) => covers(coverage, row)),
    stops: stops.filter(({ tenantId }) => coversTenant(coverage, tenantId)),
  };
}

/**
 * Lets the lanes of a schema stand at `checkpoint` with these figures, in the order of its lanes, and with what
 * is parked of their coverage, as if they had come there by themselves. Resolves to the number of parked events.
 */
export async function placeLanes(
  client: ClientBase,
  schema: string,
  checkpoint: Checkpoint | null,
  { tallies, parked }: { tallies: readonly LaneTally[]; parked: readonly ParkedState[] },
): Promise<number> {
  const coverages = tallies.map(({ coverage }) => coverage);
  const events = await insertParked(client, schema, parked, coverages);
  for (const [lane, { coverage, events: count, digest }] of tallies.entries()) {
    await client.query(
      `update ${schema}.checkpoints
       set commit_position = $2, prepare_position = $2, event_id = $3, events = $4, id_digest_hi = $5, id_digest_lo = $6,
           parked_sequences = $7, updated_at = now()
       where lane = (select lane from ${schema}.checkpoints order by lane offset $1 limit 1)`,
      [
        ...[lane, checkpoint?.position.toString() ?? null, checkpoint?.eventId ?? null, count],
        ...[digest.hi.toString(), digest.lo.toString()],
        sequencesIn(coverage, events),
      ],
    );
  }
  return events.length;
}

/** Writes what is parked of these coverages; resolves to the parked events, each once. */
export async function insertParked(
  client: ClientBase,
  schema: string,
  parked: readonly ParkedState[],
  coverages: readonly Coverage[],
): Promise<ParkedRow[]> {
  const events = parked
    .flatMap((state) => state.events)
    .filter((row) => coverages.some((coverage) => covers(coverage, row)));
  const stops = parked
    .flatMap((state) => state.stops)
    .filter(({ tenantId }) => coverages.some((coverage) => coversTenant(coverage, tenantId)));
  await insertJson(client, `${schema}.parked_sequences`, events);
  await insertJson(client, `${schema}.stopped_sequences`, stops);
  return [...new Map(events.map((row) => [`${row.sequenceId} ${row.eventId}`, row])).values()];
}

/** How many sequences of a coverage have parked events. */
export function sequencesIn(coverage: Coverage, events: readonly ParkedRow[]): number {
  return new Set(events.filter((row) => covers(coverage, row)).map(({ sequenceId }) => sequenceId)).size;
}

/** As a lane does, since row-level security binds the owner of the table as well. */
async function insertJson(
  client: ClientBase,
  table: string,
  rows: readonly { readonly tenantId: string; readonly json: string }[],
): Promise<void> {
  if (rows.length === 0) return;
  const tenantIds = [...new Set(rows.map(({ tenantId }) => tenantId))];
  await client.query('set local role mailfold_projector');
  await client.query(`select set_config('app.tenant_ids', $1, true)`, [`{${tenantIds.join(',')}}`]);
  await client.query(
    `insert into ${table} select p.* from unnest($1::jsonb[]) as row (json),
       jsonb_populate_record(null::${table}, row.json) as p on conflict do nothing`,
    [rows.map(({ json }) => json)],
  );
  await client.query('reset role');
}
