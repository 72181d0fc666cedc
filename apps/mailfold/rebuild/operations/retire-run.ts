import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { listGenerations, retireGeneration, type Generation } from '../../../shared/generations/generations';
import { shedMoved } from '../../../shared/generations/shed';
import { projectionTier } from '../../../../projections/tiers';
import { readPlacement, type Placement } from '../../../shared/generations/placement';
import { lockRun, type RunLock } from '../run-lock';
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
  /** Schemas that still serve something, after they have given up the rest. */
  readonly keeps: readonly string[];
}

/**
 * Drops what served before a run, and with it the way back: generations that serve nothing any more as a whole, of others
 * what they have handed over. Refuses while any of it serves. Repeatable. Throws {@link RunRefused}.
 */
export async function retireRun(
  workplace: Workplace,
  runs: Runs,
  run: Run,
  signal: AbortSignal,
): Promise<{ run: Run; retired: Retired[] }> {
  if (run.state === 'done') return { run, retired: [] };
  refuseIllegal('retire', run.run, run.state);
  const retired: Retired[] = [];
  for (const generation of await generationsOf(workplace, run)) {
    const { tier } = generation;
    const placement = await readPlacement(workplace.control, tier);
    const known = await listGenerations(workplace.control, tier);
    for (const old of supersededBy(generation, known, placement)) {
      const { targets } = await dropOrShed(workplace, generation, old, signal);
      retired.push({ tier, generation: old.generation, keeps: targets.map(({ schema }) => schema) });
      if (targets.length === 0 && old.run !== null) await closeSuperseded(runs, old.run, run.run);
    }
  }
  return { run: await runs.step(run.run, 'retire', 'done', {}, { retired }), retired };
}

async function dropOrShed(
  workplace: Workplace,
  { targets }: Generation,
  { tier: name, generation, isLive }: Generation,
  signal: AbortSignal,
): Promise<{ targets: readonly { readonly schema: string }[] }> {
  const { control, urls } = workplace;
  const tier = projectionTier(name);
  if (tier === undefined) throw new Error(`${name} is no tier`);
  if (!isLive) {
    await retireGeneration(control, urls, name, generation);
    return { targets: [] };
  }
  const tenantId = targets[0]?.tenantId ?? null;
  return shedMoved({
    ...{ control, urls, tier, generation, signal, store: workplace.store() },
    ...(tenantId === null ? {} : { tenantId }),
  });
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
      (before.includes(old.generation) || (servesAll && !old.isLive && old.generation < generation)),
  );
}

/** A run whose generation is gone has nothing left to do. */
export async function closeSuperseded(runs: Runs, run: number, by: number): Promise<void> {
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
  return discardWith(workplace, runs, run, async () => {
    const dropped: Retired[] = [];
    for (const { tier, generation } of await generationsOf(workplace, run)) {
      await retireGeneration(workplace.control, workplace.urls, tier, generation);
      dropped.push({ tier, generation, keeps: [] });
    }
    return dropped;
  });
}

/** Ends the run, waits until nobody works on it, and then drops what `drop` finds, and its folder. */
export async function discardWith(
  workplace: Workplace,
  runs: Runs,
  run: Run,
  drop: (lock: RunLock) => Promise<Retired[]>,
): Promise<{ run: Run; dropped: Retired[] }> {
  const discarded = run.state === 'discarded' ? run : await runs.step(run.run, 'discard', 'discarded');
  const lock = await lockOnceFree(workplace, run.run);
  try {
    const dropped = await drop(lock);
    await rm(workplace.runFolder(run.run), { recursive: true, force: true });
    return { run: discarded, dropped };
  } finally {
    await lock.release();
  }
}

async function lockOnceFree(workplace: Workplace, run: number): Promise<RunLock> {
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
