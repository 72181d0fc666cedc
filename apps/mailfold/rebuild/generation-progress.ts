import { setTimeout as delay } from 'node:timers/promises';
import type { Target } from '../../shared/generations/placement';
import type { Workplace } from './workplace';

const pollIntervalMs = 100;
const stuckAfterMs = 30_000;

/** What says where some rows lie. */
export type Place = Pick<Target, 'databaseRef' | 'schema'>;

export interface LaneProgress {
  /** Lowest of all lanes; null while one has committed nothing. */
  readonly position: bigint | null;
  readonly events: number;
}

/** Over all lanes of some targets, wherever they lie. */
export async function progressOf(
  workplace: Pick<Workplace, 'pool'>,
  targets: readonly Place[],
): Promise<LaneProgress> {
  const each = await Promise.all(targets.map((target) => progressOfOne(workplace, target)));
  const positions = each.map(({ position }) => position);
  const lowest = positions.reduce(
    (low, position) => (low === null || position === null ? null : position < low ? position : low),
    positions[0] ?? null,
  );
  return { position: lowest, events: each.reduce((sum, { events }) => sum + events, 0) };
}

async function progressOfOne(
  { pool }: Pick<Workplace, 'pool'>,
  { databaseRef, schema }: Place,
): Promise<LaneProgress> {
  const { rows } = await pool(databaseRef).query<{ position: string | null; events: string }>(
    `select case when count(commit_position) = count(*) then min(commit_position)::text end as position,
            coalesce(sum(events), 0)::text as events
     from ${schema}.checkpoints`,
  );
  const position = rows[0]?.position ?? null;
  return { position: position === null ? null : BigInt(position), events: Number(rows[0]?.events ?? 0) };
}

export function isLevel(follower: bigint | null, leader: bigint | null): boolean {
  return leader === null || (follower !== null && follower >= leader);
}

/** The targets did not come forward for 30 s: no projector runs for them. */
export class StandsStill extends Error {
  override readonly name = 'StandsStill';
}

/** Resolves once all of `follower` have come as far as the slowest of `leader`. Throws {@link StandsStill}. */
export async function waitUntilLevel(
  workplace: Pick<Workplace, 'pool'>,
  { follower, leader }: { readonly follower: readonly Place[]; readonly leader: readonly Place[] },
  signal: AbortSignal,
  onProgress: (progress: { position: bigint | null; goal: bigint | null }) => void = () => undefined,
): Promise<void> {
  let reached: bigint | null = null;
  let movedAt = performance.now();
  for (;;) {
    signal.throwIfAborted();
    const { position: goal } = await progressOf(workplace, leader);
    const { position } = await progressOf(workplace, follower);
    onProgress({ position, goal });
    if (isLevel(position, goal)) return;
    if (position !== reached) movedAt = performance.now();
    reached = position;
    if (performance.now() - movedAt > stuckAfterMs)
      throw new StandsStill(
        `${follower.map(({ schema }) => schema).join(', ')} stands still at ${position ?? 'the start'}: is a projector running?`,
      );
    await delay(pollIntervalMs, undefined, { signal }).catch(() => undefined);
  }
}
