import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'pg';
import type { Tier } from '../../../projections/projection';
import { raiseBarrier, type HeldTarget } from '../projecting/barrier';
import { allSlots, overlap } from './coverage';
import { urlNamed, type DatabaseUrls } from './generations';
import {
  readPlacement,
  refuseUnfit,
  switchPointers,
  SwitchRefused,
  type Move,
  type Placement,
  type Target,
} from './placement';

export interface CutOver {
  readonly control: Pool;
  readonly urls: DatabaseUrls;
  readonly tier: Tier;
  readonly moves: readonly Move[];
  /** The epoch of the placement that was looked at; without it, that of this moment. */
  readonly epoch?: number;
  readonly signal: AbortSignal;
  /** Bound on waiting until what is moved to has come as far, ms; default 30,000. */
  readonly timeoutMs?: number;
}

const timeoutDefaultMs = 30_000;
const pollIntervalMs = 5;
/** Every query process has heard of a switch by then; one that has not reads what served before, which goes on. */
const noticeTimeMs = 300;
/** Kept for the switch itself. */
const switchTimeMs = 500;

/**
 * Moves pointers so that no reader sees the log go back: the lanes of what serves now stand still until those moved to
 * have come as far and every reader can have heard of the switch; that takes less than a lease, so no lane changes hands.
 * A rollback is the same with {@link wayBack}. Aborting it before the switch leaves everything as it was.
 * Throws {@link SwitchRefused} when the pointers were moved meanwhile, or a generation may not serve or cannot keep up.
 */
export async function cutOver({
  control,
  urls,
  tier,
  moves,
  epoch,
  signal,
  ...rest
}: CutOver): Promise<Placement> {
  const before = await readPlacement(control, tier);
  await refuseUnfit(control, tier, moves);
  const pools = new Map<string, Pool>();
  const held = (targets: readonly Target[]): HeldTarget[] =>
    targets.map(({ databaseRef, schema }) => ({ schema, pool: poolOf(pools, urls, databaseRef) }));
  try {
    const serving = held(targetsOf(before, moves, 'from'));
    const following = held(targetsOf(before, moves, 'to'));
    const deadline = performance.now() + (rest.timeoutMs ?? timeoutDefaultMs);
    do {
      const leftMs = (): number => deadline - performance.now();
      if (!(await reach(following, await furthest(serving), leftMs, signal))) break;
      const barrier = await raiseBarrier(serving, { signal, timeoutMs: Math.max(0, leftMs()) });
      try {
        const patienceMs = (): number => barrier.remainingMs() - noticeTimeMs - switchTimeMs;
        if (!(await reach(following, barrier.position, patienceMs, signal))) continue;
        const after = await switchPointers(control, tier, { epoch: epoch ?? before.epoch, moves });
        await delay(noticeTimeMs);
        return after;
      } finally {
        await barrier.release();
      }
    } while (performance.now() < deadline);
    throw new SwitchRefused(
      `what is moved to does not keep up with what serves ${tier}: is a projector running?`,
    );
  } finally {
    await Promise.all([...pools.values()].map((pool) => pool.end()));
  }
}

function poolOf(pools: Map<string, Pool>, urls: DatabaseUrls, databaseRef: string): Pool {
  const known = pools.get(databaseRef);
  if (known !== undefined) return known;
  const pool = new Pool({
    connectionString: urlNamed(urls, databaseRef),
    application_name: 'mailfold-cut-over',
    max: 2,
  });
  pool.on('error', () => undefined);
  pools.set(databaseRef, pool);
  return pool;
}

/** The targets that serve what is moved, or are to serve it. */
function targetsOf(placement: Placement, moves: readonly Move[], side: 'from' | 'to'): Target[] {
  const found = new Set<Target>();
  for (const move of moves) {
    const slots = 'slots' in move ? move.slots : allSlots;
    const tenantId = 'tenantId' in move ? move.tenantId : null;
    for (const pointer of placement.pointers) {
      const common = overlap(pointer.slots, slots);
      if (common === null) continue;
      const pinned = side === 'to' ? move.to : pinnedOf(placement, tenantId);
      const generation = pinned ?? pointer.generation;
      for (const target of placement.targets)
        if (
          target.generation === generation &&
          overlap(target.slots, common) !== null &&
          (target.tenantId === null || tenantId === null || target.tenantId === tenantId)
        )
          found.add(target);
    }
  }
  return [...found];
}

function pinnedOf({ tenantPointers }: Placement, tenantId: string | null): number | null {
  return tenantPointers.find((pointer) => pointer.tenantId === tenantId)?.generation ?? null;
}

/** Resolves to whether every lane has come to `position` while time was left. */
async function reach(
  targets: readonly HeldTarget[],
  position: bigint,
  leftMs: () => number,
  signal: AbortSignal,
): Promise<boolean> {
  for (;;) {
    signal.throwIfAborted();
    const lowest = await Promise.all(targets.map((target) => extremeOf(target, 'min')));
    if (lowest.every((reached) => reached >= position)) return true;
    if (leftMs() <= 0) return false;
    await delay(pollIntervalMs, undefined, { signal });
  }
}

async function furthest(targets: readonly HeldTarget[]): Promise<bigint> {
  const positions = await Promise.all(targets.map((target) => extremeOf(target, 'max')));
  return positions.reduce((far, position) => (position > far ? position : far), 0n);
}

async function extremeOf({ pool, schema }: HeldTarget, which: 'min' | 'max'): Promise<bigint> {
  const { rows } = await pool.query<{ position: string | null }>(
    `select ${which}(coalesce(commit_position, 0))::text as position from ${schema}.checkpoints`,
  );
  return BigInt(rows[0]?.position ?? 0);
}
