import type { Pool } from 'pg';
import { tablesOf } from '../../../projections/tiers';
import type { ProjectionTier } from '../../../projections/tier';
import type { EventStore } from '../../shared/event-store/event-store';
import type { Generation } from '../../shared/generations/generations';

/** Counting the log further would cost more than the figure is worth; the positions tell the rest. */
const lagCountedMax = 10_000;
const lagTimeoutMs = 3_000;

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
  { generation, state, isLive, schema }: Generation,
  auditor: Pool,
  store: EventStore | null,
): Promise<GenerationStatus> {
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
    isLagCountedInPart: lag?.isInPart ?? false,
    parkedEvents: parked.rows[0]?.count ?? 0,
  };
}

/** Counts what a projector would still have to read. */
async function lagOf(
  store: EventStore,
  tier: ProjectionTier,
  lane: LaneRow | undefined,
): Promise<{ events: number; isInPart: boolean } | null> {
  const after =
    lane?.position != null && lane.event_id !== null
      ? { position: BigInt(lane.position), eventId: lane.event_id }
      : null;
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), lagTimeoutMs);
  let events = 0;
  try {
    for await (const message of store.subscribe({
      after,
      withContent: tier.withContent,
      signal: stop.signal,
    })) {
      if (message.kind === 'caught-up') return { events, isInPart: false };
      if (message.kind === 'event') events += 1;
      if (events === lagCountedMax) break;
    }
    return { events, isInPart: true };
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}
