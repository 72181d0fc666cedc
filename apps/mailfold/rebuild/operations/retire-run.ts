import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { listGenerations, retireGeneration, type Generation } from '../../../shared/generations/generations';
import { readPlacement, type Placement } from '../../../shared/generations/placement';
import { lockRun } from '../run-lock';
import { refuseIllegal, RunRefused } from '../run-states';
import type { Run, Runs } from '../runs';
import type { Workplace } from '../workplace';
import { servedBefore } from './moves';
import { generationsOf } from './run-generations';

const lockTimeoutMs = 20_000;
const lockPollMs = 250;

export interface Retired {
  readonly tier: string;
  readonly generation: number;
}

/**
 * Drops what served before a run, and with it the way back. Refuses while any of it serves. Repeatable.
 * Throws {@link RunRefused}.
 */
export async function retireRun(
  workplace: Workplace,
  runs: Runs,
  run: Run,
): Promise<{ run: Run; retired: Retired[] }> {
  if (run.state === 'done') return { run, retired: [] };
  refuseIllegal('retire', run.run, run.state);
  const retired: Retired[] = [];
  for (const generation of await generationsOf(workplace, run)) {
    const { tier } = generation;
    const placement = await readPlacement(workplace.control, tier);
    const known = await listGenerations(workplace.control, tier);
    for (const { generation: old, run: itsRun } of supersededBy(generation, known, placement)) {
      await retireGeneration(workplace.control, workplace.urls, tier, old);
      retired.push({ tier, generation: old });
      if (itsRun !== null) await closeSuperseded(runs, itsRun, run.run);
    }
  }
  return { run: await runs.step(run.run, 'retire', 'done', {}, { retired }), retired };
}

/** Of a whole tier: all older ones. Of a part: those that served the part. */
function supersededBy(
  { generation }: Generation,
  known: readonly Generation[],
  placement: Placement,
): Generation[] {
  const before = servedBefore(placement, generation);
  const servesAll = placement.pointers.every((pointer) => pointer.generation === generation);
  return known.filter(
    (old) =>
      old.state !== 'retired' &&
      old.kind !== 'as-of' &&
      !old.isLive &&
      (before.includes(old.generation) || (servesAll && old.generation < generation)),
  );
}

/** A run whose generation is gone has nothing left to do. */
async function closeSuperseded(runs: Runs, run: number, by: number): Promise<void> {
  const { state } = await runs.read(run);
  if (state === 'serving') await runs.step(run, 'retire', 'done', {}, { supersededBy: by });
}

/**
 * Ends a run that serves nothing, and drops what it has made. A process that works on it is told to stop, and waited for.
 * Repeatable. Throws {@link RunRefused} while it serves something.
 */
export async function discardRun(
  workplace: Workplace,
  runs: Runs,
  run: Run,
): Promise<{ run: Run; dropped: Retired[] }> {
  const discarded = run.state === 'discarded' ? run : await runs.step(run.run, 'discard', 'discarded');
  const lock = await lockOnceFree(workplace, run.run);
  try {
    const dropped: Retired[] = [];
    for (const { tier, generation } of await generationsOf(workplace, run)) {
      await retireGeneration(workplace.control, workplace.urls, tier, generation);
      dropped.push({ tier, generation });
    }
    await rm(workplace.runFolder(run.run), { recursive: true, force: true });
    return { run: discarded, dropped };
  } finally {
    await lock.release();
  }
}

async function lockOnceFree(workplace: Workplace, run: number) {
  const deadline = Date.now() + lockTimeoutMs;
  for (;;) {
    try {
      return await lockRun(workplace.controlUrl, { run, tiers: [] }, workplace.owner);
    } catch (error) {
      if (!(error instanceof RunRefused) || Date.now() > deadline) throw error;
      await delay(lockPollMs);
    }
  }
}
