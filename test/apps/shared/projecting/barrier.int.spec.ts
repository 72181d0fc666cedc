import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { raiseBarrier, BarrierTimeout, type HeldTarget } from '../../../../apps/shared/projecting/barrier';
import { foldEvent, partFor } from '../../../../apps/shared/projecting/fold-event';
import { Lane } from '../../../../apps/shared/projecting/lane';
import type { LaneEvent } from '../../../../apps/shared/projecting/lane-event';
import { takeFreeLanes } from '../../../../apps/shared/projecting/lane-lease';
import { divided, allSlots } from '../../../../apps/shared/generations/coverage';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { oltpTier } from '../../../../projections/oltp';
import { queryAsSuperuser, startTestPostgres, type TestPostgres } from '../../../support/postgres';
import { RecordedLog } from '../../../support/recorded-log';

const bounds = {
  ...{ applicationName: 'test', maxConnections: 4, connectionTimeoutMs: 5_000 },
  ...{ statementTimeoutMs: 5_000, queryTimeoutMs: 6_000 },
};
const { signal } = new AbortController();

let postgres: TestPostgres;
const pools: Pool[] = [];
let schemas = 0;

beforeAll(async () => (postgres = await startTestPostgres()));
afterAll(async () => {
  for (const pool of pools) await pool.end();
  await postgres.stop();
});

interface TestTarget extends HeldTarget {
  readonly url: string;
  readonly lanes: readonly Lane[];
  offer(event: LaneEvent): Promise<void>;
}

/** A target in a database of its own, with its lanes at work. */
async function newTarget(lanes: number): Promise<TestTarget> {
  const url = await postgres.createDatabase();
  const schema = `g${(schemas += 1)}`;
  await migrate(url, 'oltp', { schema });
  for (const [lane, { from, to }] of divided(allSlots, lanes).entries())
    await queryAsSuperuser(
      url,
      `insert into ${schema}.checkpoints (lane, slot_from, slot_to) values ($1, $2, $3)`,
      [lane, from, to],
    );
  const [owner, writer] = [
    createPool(url, bounds),
    createPool(url, { ...bounds, role: 'mailfold_projector' }),
  ];
  pools.push(owner, writer);
  const leased = (await takeFreeLanes(writer, schema, 'test')).map((lease) => ({
    lease,
    lane: new Lane({ pool: writer, tier: 'oltp', schema, lease, signal }),
  }));
  return {
    ...{ pool: owner, schema, url, lanes: leased.map(({ lane }) => lane) },
    offer: async (event) => {
      await Promise.all(leased.map(({ lease, lane }) => lane.offer(partFor(lease.coverage, event))));
    },
  };
}

function folded(mails: number): LaneEvent[] {
  const log = new RecordedLog();
  for (let n = 0; n < mails; n++) log.mail(`mail ${n}`);
  return log.events.flatMap((event) => foldEvent(oltpTier, event) ?? []);
}

async function positionsOf({ url, schema }: TestTarget): Promise<string[]> {
  const rows = await queryAsSuperuser<{ position: string }>(
    url,
    `select coalesce(commit_position, 0)::text as position from ${schema}.checkpoints`,
  );
  return rows.map(({ position }) => position);
}

/** 300 events a second to all targets, until stopped; then resolves to the position of the last one. */
function underLoad(
  targets: readonly TestTarget[],
  events: readonly LaneEvent[],
): { stop(): Promise<string | undefined> } {
  const stop = new AbortController();
  let last: bigint | undefined;
  const done = (async () => {
    for (const event of events) {
      if (stop.signal.aborted) break;
      last = event.position;
      for (const target of targets) await target.offer(event);
      await delay(1_000 / 300);
    }
  })();
  return {
    stop: async () => {
      stop.abort();
      await done;
      for (const { lanes } of targets) for (const lane of lanes) await lane.settled();
      return last?.toString();
    },
  };
}

it('brings the lanes of two databases to one position, keeps them there, and lets them go within milliseconds', async () => {
  const targets = [await newTarget(2), await newTarget(1)];
  const load = underLoad(targets, folded(400));
  const positions = async (): Promise<Set<string>> =>
    new Set((await Promise.all(targets.map(positionsOf))).flat());
  for (let round = 0; round < 10; round++) {
    await delay(50);
    const barrier = await raiseBarrier(targets, { signal });
    expect(await positions()).toEqual(new Set([barrier.position.toString()]));
    expect(await positions()).toEqual(new Set([barrier.position.toString()]));
    expect(barrier.remainingMs()).toBeGreaterThan(0);
    await barrier.release();
    await barrier.release();
  }
  const last = await load.stop();
  for (const target of targets) expect(new Set(await positionsOf(target))).toEqual(new Set([last]));
});

it('stops a lane in the middle of a batch, at the very position, without its losing anything or its lease', async () => {
  const [front, behind] = [await newTarget(1), await newTarget(1)];
  const events = folded(20);
  for (const event of events.slice(0, 31)) await front.offer(event);
  await front.lanes[0]?.settled();
  const raising = raiseBarrier([front, behind], { signal });
  // One batch that begins before the barrier and ends behind it.
  await delay(50);
  const offering = (async () => {
    for (const event of events) await behind.offer(event);
  })();
  const barrier = await raising;
  expect(barrier.position).toBe(events[30]?.position);
  expect(await positionsOf(behind)).toEqual([barrier.position.toString()]);
  await barrier.release();
  await offering;
  await behind.lanes[0]?.settled();
  expect(await positionsOf(behind)).toEqual([events.at(-1)?.position.toString()]);
});

it('waits for another barrier over the same lanes, and neither frees those of the other', async () => {
  const target = await newTarget(1);
  for (const event of folded(1)) await target.offer(event);
  const first = await raiseBarrier([target], { signal });
  let isSecondUp = false;
  const raising = raiseBarrier([target], { signal }).then((barrier) => ((isSecondUp = true), barrier));
  await delay(50);
  expect(isSecondUp).toBe(false);
  await first.release();
  const second = await raising;
  await first.release();
  const [held] = await queryAsSuperuser<{ held: boolean }>(
    target.url,
    `select hold_expires_at > now() as held from ${target.schema}.checkpoints`,
  );
  expect(held?.held).toBe(true);
  await second.release();
});

it('does not outlive a caller that has died: its lanes go on when the time of the hold has run out', async () => {
  const target = await newTarget(1);
  const [first, ...others] = folded(2);
  await target.offer(first!);
  await target.lanes[0]?.settled();
  const abandoned = await raiseBarrier([target], { signal });
  for (const event of others) await target.offer(event);
  await delay(30);
  expect(await positionsOf(target)).toEqual([abandoned.position.toString()]);
  await queryAsSuperuser(
    target.url,
    `update ${target.schema}.checkpoints set hold_expires_at = now() - interval '1 second'`,
  );
  await target.lanes[0]?.settled();
  expect(await positionsOf(target)).toEqual([others.at(-1)?.position.toString()]);
  await (await raiseBarrier([target], { signal })).release();
});

it('gives up, and lets go, when a lane does not come', async () => {
  const [moving, dead] = [await newTarget(1), await newTarget(1)];
  const events = folded(2);
  await moving.offer(events[0]!);
  await moving.lanes[0]?.settled();
  await expect(raiseBarrier([moving, dead], { signal, timeoutMs: 100 })).rejects.toBeInstanceOf(
    BarrierTimeout,
  );
  for (const event of events) await moving.offer(event);
  await moving.lanes[0]?.settled();
  expect(await positionsOf(moving)).toEqual([events.at(-1)?.position.toString()]);
});
