import type { ClientBase, Pool } from 'pg';
import type { EventStore } from '../event-store/event-store';
import { inTransaction } from '../postgres/transaction';
import { raiseBarrier } from '../projecting/barrier';
import type { LaneTally } from '../rebuilding/contracts';
import { lanesOf } from '../rebuilding/load/finish-target';
import { addTallies, refuseDifference, tallyLog } from '../rebuilding/copy/tally-log';
import type { Coverage } from './coverage';

export interface LanesToChange {
  /** Logs in as owner of the schema. */
  readonly owner: Pool;
  readonly schema: string;
  readonly store: Pick<EventStore, 'readRecords'>;
  /** What a lane is to cover; null ends it. The lanes that stay must cover all that is not given up. */
  readonly change: (coverage: Coverage) => Coverage | null;
  readonly signal: AbortSignal;
  readonly pace?: () => Promise<void>;
}

interface ChangedLane {
  readonly lane: number;
  readonly before: Coverage;
  readonly after: Coverage | null;
}

const triesMax = 5;

/**
 * Gives the lanes of a schema other coverages, all at one position of the log. What a lane has taken in cannot be divided,
 * so the log is counted again for the new coverages; most of it while the lanes go on, the rest while they stand still for
 * milliseconds. Whoever held them begins anew under the next epoch. Does nothing where nothing changes.
 * Throws {@link LogDisagrees} when a lane has not taken in what the log holds for it: counting anew would hide that.
 */
export async function changeLanes(options: LanesToChange): Promise<void> {
  const { owner, schema, signal, change } = options;
  const lanes = (await lanesOf(owner, schema)).map(({ lane, coverage }) => ({
    ...{ lane, before: coverage, after: change(coverage) },
  }));
  if (lanes.every(({ before, after }) => JSON.stringify(before) === JSON.stringify(after))) return;
  let counted = await count(options, lanes, null, await lowestPosition(owner, schema));
  for (let tries = 1; tries <= triesMax; tries += 1) {
    const barrier = await raiseBarrier([{ pool: owner, schema }], { signal });
    try {
      const rest = await count(options, lanes, counted.upTo, barrier.position);
      counted = { tallies: addTallies(counted.tallies, rest.tallies), upTo: barrier.position };
      if (await replaced(owner, schema, lanes, counted)) return;
    } finally {
      await barrier.release();
    }
  }
  throw new Error(`the lanes of ${schema} went on each time before they could be changed`);
}

interface Counted {
  /** Of the lanes as they are, and then as they shall be. */
  readonly tallies: readonly LaneTally[];
  readonly upTo: bigint;
}

async function count(
  { store, signal, pace }: LanesToChange,
  lanes: readonly ChangedLane[],
  after: bigint | null,
  upTo: bigint,
): Promise<Counted> {
  const coverages = [
    ...lanes.map(({ before }) => before),
    ...lanes.flatMap((lane) => (lane.after === null ? [] : [lane.after])),
  ];
  const options = { store, after, upTo, signal, ...(pace ? { pace } : {}) };
  return { tallies: await tallyLog(coverages, options), upTo };
}

/** Under the locks of the lanes; false when the hold has run out and they are elsewhere by now. */
async function replaced(
  owner: Pool,
  schema: string,
  lanes: readonly ChangedLane[],
  { tallies, upTo }: Counted,
): Promise<boolean> {
  return inTransaction(owner, async (client) => {
    const stand = await lockLanes(client, schema);
    if (stand.length !== lanes.length || stand.some(({ position }) => position !== upTo)) return false;
    for (const [index, { events, digest }] of stand.entries()) {
      const counted = tallies[index];
      if (counted === undefined) return false;
      refuseDifference(schema, { coverage: counted.coverage, events, digest }, counted);
    }
    const next = tallies.slice(lanes.length).values();
    for (const { lane, after } of lanes) {
      if (after === null) await client.query(`delete from ${schema}.checkpoints where lane = $1`, [lane]);
      else await setLane(client, schema, lane, next.next().value as LaneTally);
    }
    return true;
  });
}

async function lockLanes(
  client: ClientBase,
  schema: string,
): Promise<{ position: bigint; events: number; digest: LaneTally['digest'] }[]> {
  const { rows } = await client.query<{ position: string; events: string; hi: string; lo: string }>(
    `select coalesce(commit_position, 0) as position, events, id_digest_hi as hi, id_digest_lo as lo
     from ${schema}.checkpoints order by lane for update`,
  );
  return rows.map(({ position, events, hi, lo }) => ({
    ...{ position: BigInt(position), events: Number(events) },
    digest: { hi: BigInt(hi), lo: BigInt(lo) },
  }));
}

async function setLane(
  client: ClientBase,
  schema: string,
  lane: number,
  { coverage, events, digest }: LaneTally,
): Promise<void> {
  await client.query(
    `update ${schema}.checkpoints
     set slot_from = $2, slot_to = $3, only_tenant = $4, except_tenants = $5, events = $6, id_digest_hi = $7,
         id_digest_lo = $8, epoch = epoch + 1, owner = null, lease_expires_at = null, updated_at = now()
     where lane = $1`,
    [
      ...[lane, coverage.slots.from, coverage.slots.to, coverage.tenantId, coverage.except],
      ...[events, digest.hi.toString(), digest.lo.toString()],
    ],
  );
}

async function lowestPosition(owner: Pool, schema: string): Promise<bigint> {
  const { rows } = await owner.query<{ position: string | null }>(
    `select min(coalesce(commit_position, 0)) as position from ${schema}.checkpoints`,
  );
  return BigInt(rows[0]?.position ?? 0);
}
