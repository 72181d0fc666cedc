import type { Pool } from 'pg';
import { parseStreamName } from '../../../domain/stream-name';
import { tablesOf } from '../../../projections/tiers';
import type { ProjectionTier } from '../../../projections/tier';
import type { EventStore } from '../../shared/event-store/event-store';
import { soleTargetOf, type Generation } from '../../shared/generations/generations';
import { unreadEvents, type UnreadEvents } from '../log/unread-events';

export interface GenerationStatus {
  readonly generation: number;
  readonly state: Generation['state'];
  readonly isLive: boolean;
  readonly lanes: number;
  /** Lanes that a process holds at this moment. */
  readonly lanesHeld: number;
  /** Lowest of the lanes; null while one has committed nothing. */
  readonly position: string | null;
  readonly events: number;
  /** Events of the log behind the position; null when they could not be counted. */
  readonly lagEvents: number | null;
  /** True: at least `lagEvents`, there may be more. */
  readonly isLagCountedInPart: boolean;
  /** How long the first of them has been lying in the log. */
  readonly lagSeconds: number | null;
  readonly parkedEvents: number;
  readonly rows: Readonly<Record<string, number>>;
}

interface LaneRow {
  readonly position: string | null;
  readonly event_id: string | null;
  readonly events: string;
  readonly held: boolean;
}

/** Where a generation stands. `auditor` sees the rows of all tenants. */
export async function statusOf(
  tier: ProjectionTier,
  known: Generation,
  auditor: Pool,
  store: EventStore | null,
): Promise<GenerationStatus> {
  const { generation, state, isLive } = known;
  const { schema } = soleTargetOf(known);
  const { rows: lanes } = await auditor.query<LaneRow>(
    `select commit_position::text as position, event_id, events::text,
            owner is not null and coalesce(lease_expires_at > now(), false) as held
     from ${schema}.checkpoints order by commit_position nulls first, lane`,
  );
  const parked = await auditor.query<{ count: number }>(
    `select count(*)::int as count from ${schema}.parked_sequences`,
  );
  const rows: Record<string, number> = {};
  for (const { name } of tablesOf(tier)) {
    const counted = await auditor.query<{ count: string }>(`select count(*) from ${schema}.${name}`);
    rows[name] = Number(counted.rows[0]?.count ?? 0);
  }
  const lowest = lanes[0];
  const lag = store ? await lagOf(store, tier, lowest) : null;
  return {
    ...{ generation, state, isLive, rows },
    lanes: lanes.length,
    lanesHeld: lanes.filter(({ held }) => held).length,
    position: lowest?.position ?? null,
    events: lanes.reduce((sum, lane) => sum + Number(lane.events), 0),
    lagEvents: lag?.events ?? null,
    isLagCountedInPart: lag?.isCountedInPart ?? false,
    lagSeconds: lag?.lagSeconds ?? null,
    parkedEvents: parked.rows[0]?.count ?? 0,
  };
}

/** What a projector would still have to read. */
function lagOf(
  store: EventStore,
  tier: ProjectionTier,
  lane: LaneRow | undefined,
): Promise<UnreadEvents | null> {
  const after =
    lane?.position != null && lane.event_id !== null
      ? { position: BigInt(lane.position), eventId: lane.event_id }
      : null;
  return unreadEvents(
    store,
    after,
    ({ streamName, type }) =>
      parseStreamName(streamName) !== null && (tier.withContent || type !== 'MessageContentStored'),
  );
}
