import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { soleTargetOf, type Generation } from '../../shared/generations/generations';
import { CommandFailure } from '../command-run';

const pollIntervalMs = 100;
const stuckAfterMs = 30_000;

export interface GenerationProgress {
  /** Lowest of all lanes; null while one has committed nothing. */
  readonly position: bigint | null;
  readonly events: number;
}

export async function progressOf(pool: Pool, schema: string): Promise<GenerationProgress> {
  const { rows } = await pool.query<{ position: string | null; events: string }>(
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

/**
 * Resolves once `follower` has come as far as `leader`. Throws {@link CommandFailure} when it has not moved for 30 s:
 * then no projector runs for it.
 */
export async function waitUntilLevel(
  pool: Pool,
  follower: Generation,
  leader: Generation,
  signal: AbortSignal,
): Promise<void> {
  let reached: bigint | null = null;
  let movedAt = Date.now();
  for (;;) {
    signal.throwIfAborted();
    const goal = await progressOf(pool, soleTargetOf(leader).schema);
    const { position } = await progressOf(pool, soleTargetOf(follower).schema);
    if (isLevel(position, goal.position)) return;
    if (position !== reached) movedAt = Date.now();
    reached = position;
    if (Date.now() - movedAt > stuckAfterMs)
      throw new CommandFailure(
        `generation ${follower.generation} of ${follower.tier} stands still at ${position ?? 'the start'}: is a projector running?`,
      );
    await delay(pollIntervalMs, undefined, { signal }).catch(() => undefined);
  }
}
