import type { ClientBase, Pool } from 'pg';
import { covers, coversTenant, type Coverage } from '../../generations/coverage';
import type { Checkpoint } from '../../projecting/lane-event';
import { park, stop } from '../../projecting/parked-sequences';
import { inTransaction } from '../../postgres/transaction';
import type { EventToPark, LaneTally, StoppedSequence } from '../contracts';
import { isDone, unitDone } from './load-units';

const unit = 'lanes';

/** The lanes of a schema, in their order. */
export async function lanesOf(
  db: Pool | ClientBase,
  schema: string,
): Promise<{ readonly lane: number; readonly coverage: Coverage }[]> {
  const { rows } = await db.query<{
    lane: number;
    slot_from: number;
    slot_to: number;
    only_tenant: string | null;
    except_tenants: string[];
  }>(`select lane, slot_from, slot_to, only_tenant, except_tenants from ${schema}.checkpoints order by lane`);
  return rows.map(
    ({ lane, slot_from: from, slot_to: to, only_tenant: tenantId, except_tenants: except }) => ({
      lane,
      coverage: { slots: { from, to }, tenantId, except },
    }),
  );
}

export interface LaneStates {
  /** The last event up to the fence that the tier's subscription delivers; null where there is none. */
  readonly checkpoint: Checkpoint | null;
  /** At least those of the target's lanes, by their coverage. */
  readonly tallies: readonly LaneTally[];
  readonly stopped: readonly StoppedSequence[];
  /** The poison and what comes behind it in its sequence and would have changed rows of the tier. A target keeps its own. */
  readonly parked: readonly EventToPark[];
}

/**
 * The last unit of a target: its lanes stand where they would if they had read the log themselves, and startTailing is all
 * that is left. Once per schema. Throws where a lane has no tally, or has begun to write by itself.
 */
export async function finishTarget(owner: Pool, schema: string, states: LaneStates): Promise<void> {
  await inTransaction(owner, async (client) => {
    if (await isDone(client, schema, unit)) return;
    const lanes = await lanesOf(client, schema);
    for (const { lane, coverage } of lanes) {
      const parked = states.parked.filter((event) => covers(coverage, event));
      await setLane(client, schema, lane, {
        ...states,
        parked,
        tally: tallyOf(states, schema, lane, coverage),
      });
    }
    await stopAndPark(client, schema, {
      stopped: states.stopped.filter(({ tenantId }) =>
        lanes.some((lane) => coversTenant(lane.coverage, tenantId)),
      ),
      parked: states.parked.filter((event) => lanes.some(({ coverage }) => covers(coverage, event))),
    });
    await unitDone(client, schema, unit);
  });
}

function tallyOf({ tallies }: LaneStates, schema: string, lane: number, coverage: Coverage): LaneTally {
  const wanted = nameOf(coverage);
  const tally = tallies.find((known) => nameOf(known.coverage) === wanted);
  if (tally === undefined) throw new Error(`Nothing was counted for lane ${lane} of ${schema}`);
  return tally;
}

function nameOf({ slots, tenantId, except }: Coverage): string {
  return JSON.stringify([slots.from, slots.to, tenantId, [...except].sort()]);
}

async function setLane(
  client: ClientBase,
  schema: string,
  lane: number,
  { checkpoint, tally, parked }: Pick<LaneStates, 'checkpoint' | 'parked'> & { readonly tally: LaneTally },
): Promise<void> {
  const sequences = new Set(parked.map(({ tenantId, sequenceId }) => `${tenantId}/${sequenceId}`));
  const { rowCount } = await client.query(
    `update ${schema}.checkpoints
     set commit_position = $2, prepare_position = $2, event_id = $3, events = $4, id_digest_hi = $5, id_digest_lo = $6,
         parked_sequences = $7, updated_at = now()
     where lane = $1 and commit_position is null`,
    [
      ...[lane, checkpoint?.position.toString() ?? null, checkpoint?.eventId ?? null, tally.events],
      ...[tally.digest.hi.toString(), tally.digest.lo.toString(), sequences.size],
    ],
  );
  if (rowCount !== 1) throw new Error(`Lane ${lane} of ${schema} has begun to write during the load`);
}

/** Under the lanes' role: these rows are held by their policies even from the owner. */
async function stopAndPark(
  client: ClientBase,
  schema: string,
  { stopped, parked }: Pick<LaneStates, 'stopped' | 'parked'>,
): Promise<void> {
  const tenants = [...new Set([...stopped, ...parked].map(({ tenantId }) => tenantId))];
  if (tenants.length === 0) return;
  await client.query('set local role mailfold_projector');
  await client.query(`select set_config('app.tenant_ids', $1, true)`, [`{${tenants.join(',')}}`]);
  await stop(
    client,
    schema,
    stopped.map((each) => ({ ...each, lane: null })),
  );
  await park(
    client,
    schema,
    parked.map(({ tenantId, slot, sequenceId, position, eventId: id, eventType: type, reason }) => ({
      reason,
      event: {
        ...{ id, type, position, poison: reason, operations: [], changesRows: true, bytes: 0 },
        sequence: { tenantId, slot, sequenceId },
      },
    })),
  );
  await client.query('reset role');
}
