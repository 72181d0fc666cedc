import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { allSlots } from '../../shared/generations/coverage';
import { soleTargetOf, type Generation } from '../../shared/generations/generations';
import { readPlacement, switchPointers, type Placement } from '../../shared/generations/placement';
import { inTransaction } from '../../shared/postgres/transaction';
import { CommandFailure } from '../command-run';
import { isLevel, progressOf } from './generation-progress';

const attemptsMax = 10;
/** Less than a lease: no lane changes hands because of a switch. */
const holdTimeoutMs = 1_500;
const pollIntervalMs = 20;
/** Every query process has heard of the switch by then; one that has not reads the old generation, which goes on. */
const noticeTimeMs = 300;

/**
 * Moves the pointer from `from` to `to` so that no reader sees the log go back: the lanes of the old generation are held,
 * by a lock on their checkpoints, until the new one has come as far and readers have heard of the switch.
 * Throws SwitchRefused when somebody else has moved the pointer.
 */
export async function switchGeneration(
  pools: { readonly control: Pool; readonly tier: Pool },
  from: Generation,
  to: Generation,
  signal: AbortSignal,
): Promise<Placement> {
  for (let attempt = 0; attempt < attemptsMax; attempt += 1) {
    signal.throwIfAborted();
    const { epoch } = await readPlacement(pools.control, from.tier);
    const switched = await inTransaction(pools.tier, async (client) => {
      const { rows } = await client.query<{ position: string | null }>(
        `select commit_position::text as position from ${soleTargetOf(from).schema}.checkpoints order by lane for share`,
      );
      const held = furthest(rows.map(({ position }) => position));
      if (!(await reaches(pools.tier, to, held))) return null;
      const moves = [{ slots: allSlots, to: to.generation }];
      const placement = await switchPointers(pools.control, from.tier, { epoch, moves });
      await delay(noticeTimeMs);
      return placement;
    });
    if (switched) return switched;
  }
  throw new CommandFailure(
    `generation ${to.generation} of ${to.tier} does not keep up with generation ${from.generation}; not switched`,
  );
}

function furthest(positions: readonly (string | null)[]): bigint | null {
  return positions.reduce<bigint | null>((far, position) => {
    const value = position === null ? null : BigInt(position);
    return value !== null && (far === null || value > far) ? value : far;
  }, null);
}

async function reaches(pool: Pool, generation: Generation, goal: bigint | null): Promise<boolean> {
  const deadline = Date.now() + holdTimeoutMs;
  for (;;) {
    const { position } = await progressOf(pool, soleTargetOf(generation).schema);
    if (isLevel(position, goal)) return true;
    if (Date.now() > deadline) return false;
    await delay(pollIntervalMs);
  }
}
