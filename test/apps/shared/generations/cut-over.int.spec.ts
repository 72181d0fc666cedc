import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { allSlots, divided } from '../../../../apps/shared/generations/coverage';
import { cutOver } from '../../../../apps/shared/generations/cut-over';
import {
  createGeneration,
  databaseRefOf,
  ensureFirstGeneration,
  startTailing,
  type DatabaseUrls,
} from '../../../../apps/shared/generations/generations';
import {
  readPlacement,
  SwitchRefused,
  targetOf,
  wayBack,
  type Target,
} from '../../../../apps/shared/generations/placement';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { foldEvent, partFor } from '../../../../apps/shared/projecting/fold-event';
import { Lane } from '../../../../apps/shared/projecting/lane';
import type { LaneEvent } from '../../../../apps/shared/projecting/lane-event';
import { takeFreeLanes, type LaneLease } from '../../../../apps/shared/projecting/lane-lease';
import { oltpTier } from '../../../../projections/oltp';
import { queryAsSuperuser, startTestPostgres, type TestPostgres } from '../../../support/postgres';
import { idOf, RecordedLog } from '../../../support/recorded-log';

const bounds = {
  ...{ applicationName: 'test', maxConnections: 4, connectionTimeoutMs: 5_000 },
  ...{ statementTimeoutMs: 5_000, queryTimeoutMs: 6_000 },
};
const { signal } = new AbortController();
const secondDatabase = `${databaseRefOf('oltp')}_SECOND`;

let postgres: TestPostgres;
let control: Pool;
let urls: DatabaseUrls;
const pools: Pool[] = [];
const events = events400();
let offered = 0;

beforeAll(async () => {
  postgres = await startTestPostgres();
  const [controlUrl, first, second] = await Promise.all([0, 1, 2].map(() => postgres.createDatabase()));
  await migrate(controlUrl ?? '', 'control');
  control = createPool(controlUrl ?? '', bounds);
  urls = new Map([
    [databaseRefOf('oltp'), first ?? ''],
    [secondDatabase, second ?? ''],
  ]);
  await ensureFirstGeneration(control, first ?? '', 'oltp');
  const halves = divided(allSlots, 2);
  await createGeneration(control, urls, 'oltp', {
    ...{ codeVersion: 'test', kind: 'repartition' },
    targets: [databaseRefOf('oltp'), secondDatabase].map((databaseRef, n) => ({
      databaseRef,
      coverage: { slots: halves[n] ?? allSlots, tenantId: null },
    })),
  });
});
afterAll(async () => {
  await Promise.all([control, ...pools].map((pool) => pool.end()));
  await postgres.stop();
});

function events400(): LaneEvent[] {
  const log = new RecordedLog();
  for (let n = 0; n < 130; n++) log.mail(`mail ${n}`);
  return log.events.flatMap((event) => foldEvent(oltpTier, event) ?? []);
}

interface Worker {
  readonly lease: LaneLease;
  readonly lane: Lane;
}

async function lanesOf(target: Target): Promise<Worker[]> {
  const url = urls.get(target.databaseRef) ?? '';
  const pool = createPool(url, { ...bounds, role: 'mailfold_projector' });
  pools.push(pool);
  const leases = await takeFreeLanes(pool, target.schema, 'test');
  return leases.map((lease) => {
    const { tier, schema } = target;
    return { lease, lane: new Lane({ ...{ pool, tier, schema, lease, signal } }) };
  });
}

async function feed(workers: readonly Worker[], upTo: number): Promise<void> {
  for (; offered < upTo; offered++) {
    const event = events[offered];
    if (event === undefined) throw new Error('the test has run out of events');
    await Promise.all(workers.map(({ lease, lane }) => lane.offer(partFor(lease.coverage, event))));
  }
}

async function positionOf({ databaseRef, schema }: Target): Promise<bigint> {
  const rows = await queryAsSuperuser<{ position: string }>(
    urls.get(databaseRef) ?? '',
    `select coalesce(min(commit_position), 0)::text as position from ${schema}.checkpoints`,
  );
  return BigInt(rows[0]?.position ?? 0);
}

it('refuses a generation that is not being kept up to date', async () => {
  const moves = [{ slots: allSlots, to: 2 }];
  await expect(cutOver({ control, urls, tier: 'oltp', moves, signal })).rejects.toThrow(SwitchRefused);
  await startTailing(control, 'oltp', 2);
});

it('refuses one that does not keep up, lets the lanes go and leaves the pointer where it was', async () => {
  const [first] = (await readPlacement(control, 'oltp')).targets;
  if (first === undefined) throw new Error('unreachable');
  const workers = await lanesOf(first);
  await feed(workers, 10);
  for (const { lane } of workers) await lane.settled();
  const before = await readPlacement(control, 'oltp');
  await expect(
    cutOver({ control, urls, tier: 'oltp', moves: [{ slots: allSlots, to: 2 }], signal, timeoutMs: 100 }),
  ).rejects.toThrow('does not keep up');
  expect(await readPlacement(control, 'oltp')).toEqual(before);
  await queryAsSuperuser(urls.get(first.databaseRef) ?? '', 'update g1.checkpoints set owner = null');
});

it('never lets a reader see the log go back: canary, whole tier, tenant and the ways back, under writes', async () => {
  const { targets } = await readPlacement(control, 'oltp');
  const workers = (await Promise.all(targets.map(lanesOf))).flat();
  offered = 0;
  let isWriting = true;
  const writing = (async () => {
    while (isWriting && offered < events.length) {
      await feed(workers, offered + 1);
      await delay(1_000 / 100);
    }
  })();
  // What a reader of each slot sees, on the placement it knows, which is about 200 ms old.
  const seen = new Map<number, bigint>();
  let stale = await readPlacement(control, 'oltp');
  const reading = (async () => {
    for (let readAt = performance.now(); isWriting;) {
      if (performance.now() - readAt > 200) {
        readAt = performance.now();
        stale = await readPlacement(control, 'oltp');
      }
      for (const slot of [0, 4095]) {
        const position = await positionOf(targetOf(stale, idOf('tenant'), slot));
        expect(position).toBeGreaterThanOrEqual(seen.get(slot) ?? 0n);
        seen.set(slot, position);
      }
    }
  })();
  const tenantId = idOf('tenant');
  const serving = async (slot: number) =>
    targetOf(await readPlacement(control, 'oltp'), tenantId, slot).generation;
  const cut = { control, urls, tier: 'oltp' as const, signal };

  await cutOver({ ...cut, moves: [{ slots: { from: 0, to: 0 }, to: 2 }] });
  expect([await serving(0), await serving(1)]).toEqual([2, 1]);
  const whole = await cutOver({ ...cut, moves: [{ slots: allSlots, to: 2 }] });
  expect(new Set(whole.pointers.map(({ generation }) => generation))).toEqual(new Set([2]));
  await expect(cutOver({ ...cut, epoch: 1, moves: [{ slots: allSlots, to: 1 }] })).rejects.toThrow(
    SwitchRefused,
  );
  const back = await cutOver({ ...cut, moves: wayBack(whole, 2) });
  expect(new Set(back.pointers.map(({ generation }) => generation))).toEqual(new Set([1]));
  const pinned = await cutOver({ ...cut, moves: [{ tenantId, to: 2 }] });
  expect(await serving(7)).toBe(2);
  await cutOver({ ...cut, moves: wayBack(pinned, 2) });
  expect(await serving(7)).toBe(1);

  isWriting = false;
  await Promise.all([writing, reading]);
  for (const { lane } of workers) await lane.settled();
  const positions = await Promise.all(targets.map(positionOf));
  expect(new Set(positions)).toEqual(new Set([events[offered - 1]?.position]));
  expect(seen.size).toBe(2);
});
