import type { Pool } from 'pg';
import { parseStreamName } from '../../../domain/stream-name';
import { tablesOf } from '../../../projections/tiers';
import type { ProjectionTier } from '../../../projections/tier';
import type { EventStore } from '../../shared/event-store/event-store';
import type { SlotRange } from '../../shared/generations/coverage';
import type { Generation } from '../../shared/generations/generations';
import type { Placement, Target } from '../../shared/generations/placement';
import { oneLine } from '../command-run';
import { unreadEvents, type UnreadEvents } from '../log/unread-events';

export interface GenerationStatus {
  readonly generation: number;
  readonly state: Generation['state'];
  readonly kind: Generation['kind'];
  readonly isLive: boolean;
  readonly serves: Served;
  readonly targets: readonly TargetStatus[];
  readonly lanes: number;
  /** Lanes that a process holds at this moment. */
  readonly lanesHeld: number;
  /** Lowest of the lanes; null while one has committed nothing, or a target cannot be reached. */
  readonly position: string | null;
  readonly events: number;
  /** Events of the log behind the position; null when they could not be counted. */
  readonly lagEvents: number | null;
  /** True: at least `lagEvents`, there may be more. */
  readonly isLagCountedInPart: boolean;
  /** How long the first of them has been lying in the log. */
  readonly lagSeconds: number | null;
  readonly parkedEvents: number;
  /** By table, over all targets that can be reached. */
  readonly rows: Readonly<Record<string, number>>;
}

/** What queries read in a generation. */
export interface Served {
  readonly slots: readonly SlotRange[];
  /** Served from here apart from their slots. */
  readonly tenants: readonly string[];
}

export interface TargetStatus {
  readonly shard: number;
  readonly databaseRef: string;
  readonly schema: string;
  readonly slots: SlotRange;
  readonly tenantId: string | null;
  readonly lanes: number;
  readonly lanesHeld: number;
  readonly position: string | null;
  readonly events: number;
  readonly parkedEvents: number;
  readonly rows: Readonly<Record<string, number>>;
  /** Why its database cannot be asked; null when it can. */
  readonly unreachable: string | null;
}

/** Last event that a target has committed in all its lanes. */
type Reached = { readonly position: bigint; readonly eventId: string } | null;

export interface StatusSources {
  readonly placement: Placement;
  /** Sees the rows of all tenants. Throws where the variable is not set. */
  readonly auditorOf: (databaseRef: string) => Pool;
  readonly store: EventStore | null;
}

/** Where a generation stands. A target that cannot be reached is shown as such, and the others all the same. */
export async function statusOf(
  tier: ProjectionTier,
  { generation, state, kind, isLive, targets }: Generation,
  { placement, auditorOf, store }: StatusSources,
): Promise<GenerationStatus> {
  const looks = await Promise.all(targets.map((target) => lookAt(tier, target, auditorOf)));
  const all = looks.map(({ status }) => status);
  const isReached = all.every(({ position, unreachable }) => unreachable === null && position !== null);
  const lowest = looks.reduce<Reached>(
    (low, { reached }) => (low === null || (reached && reached.position < low.position) ? reached : low),
    null,
  );
  const isKnown = all.every(({ unreachable }) => unreachable === null);
  const lag = store && isKnown ? await lagOf(store, tier, isReached ? lowest : null) : null;
  return {
    ...{ generation, state, kind, isLive, targets: all, serves: servedBy(placement, generation) },
    lanes: sum(all.map(({ lanes }) => lanes)),
    lanesHeld: sum(all.map(({ lanesHeld }) => lanesHeld)),
    position: isReached ? (lowest?.position.toString() ?? null) : null,
    events: sum(all.map(({ events }) => events)),
    lagEvents: lag?.events ?? null,
    isLagCountedInPart: lag?.isCountedInPart ?? false,
    lagSeconds: lag?.lagSeconds ?? null,
    parkedEvents: sum(all.map(({ parkedEvents }) => parkedEvents)),
    rows: Object.fromEntries(
      tablesOf(tier).map(({ name }) => [name, sum(all.map(({ rows }) => rows[name] ?? 0))]),
    ),
  };
}

function servedBy({ pointers, tenantPointers }: Placement, generation: number): Served {
  return {
    slots: pointers.filter((pointer) => pointer.generation === generation).map(({ slots }) => slots),
    tenants: tenantPointers
      .filter((pointer) => pointer.generation === generation)
      .map(({ tenantId }) => tenantId),
  };
}

async function lookAt(
  tier: ProjectionTier,
  target: Target,
  auditorOf: StatusSources['auditorOf'],
): Promise<{ status: TargetStatus; reached: Reached }> {
  const { shard, databaseRef, schema, slots, tenantId } = target;
  const place = { shard, databaseRef, schema, slots, tenantId };
  const nothing = { lanes: 0, lanesHeld: 0, position: null, events: 0, parkedEvents: 0, rows: {} };
  try {
    const { reached, ...found } = await progressOf(tier, schema, auditorOf(databaseRef));
    return { status: { ...place, ...found, unreachable: null }, reached };
  } catch (error) {
    return { status: { ...place, ...nothing, unreachable: oneLine(error) }, reached: null };
  }
}

interface LaneRow {
  readonly position: string | null;
  readonly event_id: string | null;
  readonly events: string;
  readonly held: boolean;
}

async function progressOf(tier: ProjectionTier, schema: string, auditor: Pool) {
  const { rows: lanes } = await auditor.query<LaneRow>(
    `select commit_position::text as position, event_id, events::text,
            owner is not null and coalesce(lease_expires_at > now(), false) as held
     from ${schema}.checkpoints order by checkpoints.commit_position nulls first, lane`,
  );
  const parked = await auditor.query<{ count: number }>(
    `select count(*)::int as count from ${schema}.parked_sequences`,
  );
  const rows: Record<string, number> = {};
  for (const { name } of tablesOf(tier)) {
    const counted = await auditor.query<{ count: string }>(`select count(*) from ${schema}.${name}`);
    rows[name] = Number(counted.rows[0]?.count ?? 0);
  }
  const [lowest] = lanes;
  const reached: Reached =
    lowest?.position != null && lowest.event_id !== null
      ? { position: BigInt(lowest.position), eventId: lowest.event_id }
      : null;
  return {
    ...{ rows, reached },
    lanes: lanes.length,
    lanesHeld: lanes.filter(({ held }) => held).length,
    position: lowest?.position ?? null,
    events: sum(lanes.map(({ events }) => Number(events))),
    parkedEvents: parked.rows[0]?.count ?? 0,
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, next) => total + next, 0);
}

/** What a projector would still have to read. */
function lagOf(store: EventStore, tier: ProjectionTier, after: Reached): Promise<UnreadEvents | null> {
  return unreadEvents(
    store,
    after,
    ({ streamName, type }) =>
      parseStreamName(streamName) !== null && (tier.withContent || type !== 'MessageContentStored'),
  );
}
