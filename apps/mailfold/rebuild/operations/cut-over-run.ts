import { setTimeout as delay } from 'node:timers/promises';
import { cutOver } from '../../../shared/generations/cut-over';
import type { Generation } from '../../../shared/generations/generations';
import { readPlacement, wayBack, type Move, type Placement } from '../../../shared/generations/placement';
import { refuseIllegal, RunRefused } from '../run-states';
import type { Run, Runs } from '../runs';
import type { Workplace } from '../workplace';
import { healthFault } from './canary-health';
import { firstSlots, movesLeft, movesTo, overtaken, type CutOverScope } from './moves';
import { refuseUnproven } from './proof';
import { generationsOf } from './run-generations';

/** How many slots of a tier serve before all do, and what is looked at between. */
const canarySlots = [1, 8];
const canaryPauseMs = 5_000;

export interface CutOverOptions extends CutOverScope {
  /** One slot, eight, all: with a pause and a look at its health between. */
  readonly canary?: boolean;
  readonly canaryPauseMs?: number;
  /** Without a certificate that holds. Goes into the journal. */
  readonly force?: { readonly reason: string };
  /** With a certificate whose shadow reads were not run. */
  readonly withoutShadowReads?: boolean;
  readonly signal: AbortSignal;
  readonly onNotice?: (text: string) => void;
}

/**
 * Lets queries read what a run has made, all of it or a part. Repeatable: what serves already is left alone. A rollback by
 * somebody else has the last word, also in the middle of a canary.
 */
export async function cutOverRun(
  workplace: Workplace,
  runs: Runs,
  run: Run,
  options: CutOverOptions,
): Promise<Run> {
  const generations = await generationsOf(workplace, run);
  if (run.state === 'serving' && (await isServing(workplace, generations))) return run;
  refuseIllegal(options.force === undefined ? 'cutOver' : 'cutOverByForce', run.run, run.state);
  refuseAsOf(run, generations);
  if (options.force === undefined) refuseUnproven(workplace, run, generations, options);
  let latest = run;
  for (const generation of generations) latest = await moveInSteps(workplace, runs, generation, options);
  return latest;
}

async function moveInSteps(
  workplace: Workplace,
  runs: Runs,
  generation: Generation,
  options: CutOverOptions,
): Promise<Run> {
  const { onNotice = () => undefined, signal } = options;
  const run = generation.run ?? 0;
  const wanted = movesTo(generation, options);
  for (const slots of options.canary === true ? canarySlots : []) {
    const { moves, latest } = await moveOnce(workplace, runs, generation, options, (left) =>
      firstSlots(left, slots),
    );
    if (moves.length === 0) return latest;
    onNotice(`Canary: ${told(moves)} of ${generation.tier} served by generation ${generation.generation}.`);
    await delay(options.canaryPauseMs ?? canaryPauseMs, undefined, { signal });
    const fault = await healthFault(workplace, generation);
    if (fault === null) continue;
    await rollBackRun(workplace, runs, await runs.read(run), { signal, reason: `canary: ${fault}` });
    throw new RunRefused(`rolled back, since the canary is not well: ${fault}`, run, ['verify', 'status']);
  }
  return (await moveOnce(workplace, runs, generation, options, () => wanted)).latest;
}

/** One switch of one tier, and the state that follows from it. */
async function moveOnce(
  workplace: Workplace,
  runs: Runs,
  generation: Generation,
  { force, signal, ...scope }: CutOverOptions,
  choose: (left: Move[]) => readonly Move[],
): Promise<{ moves: readonly Move[]; latest: Run }> {
  const run = generation.run ?? 0;
  const step = force === undefined ? 'cutOver' : 'cutOverByForce';
  const before = await readPlacement(workplace.control, generation.tier);
  // Read after the placement: whoever rolls back in between moves the epoch, or is seen here.
  refuseIllegal(step, run, (await runs.read(run)).state);
  const left = movesLeft(movesTo(generation, scope), before);
  const chosen = movesLeft(choose(left), before);
  const moves = [...chosen, ...overtaken(generation, before, chosen)];
  if (moves.length > 0) await swap(workplace, before, moves, signal);
  const isWhole = await isServing(workplace, await generationsOf(workplace, { run }));
  const detail = { tier: generation.tier, moves, ...(force ? { forced: force.reason } : {}) };
  try {
    return { moves, latest: await runs.step(run, step, isWhole ? 'serving' : 'partial', {}, detail) };
  } catch (error) {
    // Rolled back while we switched.
    if (error instanceof RunRefused) await swapBack(workplace, generation, signal);
    throw error;
  }
}

/** Lets what served before serve again. Works on a part as on the whole, and takes no longer than the switch did. */
export async function rollBackRun(
  workplace: Workplace,
  runs: Runs,
  { run, state }: Run,
  { signal, reason }: { readonly signal: AbortSignal; readonly reason?: string },
): Promise<Run> {
  const generations = await generationsOf(workplace, { run });
  // First the word, then the deed: a cut-over that is under way sees it and gives way.
  const rolledBack =
    state === 'rolled-back'
      ? await runs.read(run)
      : await runs.step(run, 'rollBack', 'rolled-back', {}, reason === undefined ? {} : { reason });
  await Promise.all(generations.map((generation) => swapBack(workplace, generation, signal)));
  return rolledBack;
}

async function swapBack(workplace: Workplace, generation: Generation, signal: AbortSignal): Promise<void> {
  const placement = await readPlacement(workplace.control, generation.tier);
  const moves = wayBack(placement, generation.generation);
  if (moves.length > 0) await swap(workplace, placement, moves, signal);
}

/** Whether the generations serve all they hold. */
async function isServing({ control }: Workplace, generations: readonly Generation[]): Promise<boolean> {
  const left = await Promise.all(
    generations.map(async (generation) =>
      movesLeft(movesTo(generation), await readPlacement(control, generation.tier)),
    ),
  );
  return left.every((moves) => moves.length === 0);
}

function refuseAsOf({ run }: Run, generations: readonly Generation[]): void {
  if (generations.some(({ kind }) => kind === 'as-of'))
    throw new RunRefused(`run ${run} is as of a time: it stays as it is, and can never serve`, run, [
      'discard',
    ]);
}

function told(moves: readonly Move[]): string {
  return moves
    .map((move) => {
      if ('tenantId' in move) return `tenant ${move.tenantId}`;
      return move.slots.from === move.slots.to
        ? `slot ${move.slots.from}`
        : `slots ${move.slots.from}-${move.slots.to}`;
    })
    .join(', ');
}

/** Reckoned from a placement: refused when it has changed since. */
async function swap(
  { control, urls }: Workplace,
  { tier, epoch }: Placement,
  moves: readonly Move[],
  signal: AbortSignal,
): Promise<void> {
  await cutOver({ control, urls, tier, epoch, moves, signal });
}
