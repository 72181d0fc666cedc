import { freezeGeneration, startTailing, type Generation } from '../../../shared/generations/generations';
import { readPlacement } from '../../../shared/generations/placement';
import { servedParts } from '../layout';
import { refoldedConversation, returnedTenant } from '../run-spec';
import type { Run, Runs } from '../runs';
import type { Workplace } from '../workplace';
import { attendedRun, type FillOptions, type PartOptions } from './attended-run';
import { refoldConversation } from './conversation-refold';
import { followLog, type FillWork } from './follow-log';
import { loadGenerations } from './load-generations';
import { makeGenerations } from './run-generations';
import { fillReturn } from './tenant-return';

/**
 * Brings a run to `loaded`, from wherever it stands: its generations are made, filled, and kept at the end of the log by the
 * projectors. One that folds a conversation again in place is `done` then. Throws as {@link attendedRun} does.
 */
export async function fillRun(
  workplace: Workplace,
  runs: Runs,
  run: Run,
  options: FillOptions | PartOptions,
): Promise<Run> {
  return attendedRun(workplace, runs, run, options, async (started, work) => {
    if (refoldedConversation(started.spec) !== null)
      return { step: 'finish', detail: { refolded: await refoldConversation(workplace, started, work) } };
    await (returnedTenant(started.spec) === null
      ? fillGenerations(workplace, runs, started, work)
      : fillReturn(workplace, started, work));
    return { step: 'load' };
  });
}

async function fillGenerations(workplace: Workplace, runs: Runs, run: Run, work: FillWork): Promise<void> {
  const { pace, attendance, signal } = work;
  const generations = await makeGenerations(workplace, run);
  const fenced = run.fence === null ? await fence(workplace, runs, run) : run;
  // All of them or none: what is full already is left alone, and a load is resumed only with what it was begun with.
  const isComplete =
    generations.every(({ state }) => state !== 'building') ||
    (await loadGenerations(workplace, fenced, generations, {
      signal,
      pace: () => pace.wait(),
      tell: (figures) => attendance.tell(figures),
    }));
  if (!isComplete) signal.throwIfAborted();
  for (const generation of generations) await settle(workplace, generation, work);
}

/** From here on the generation follows the log, or, as of a time, stays as it is. */
async function settle(
  workplace: Workplace,
  { tier, generation, kind, targets }: Generation,
  work: FillWork,
): Promise<void> {
  const { control } = workplace;
  if (kind === 'as-of') return freezeGeneration(control, tier, generation);
  await startTailing(control, tier, generation);
  const leader = servedParts(await readPlacement(control, tier));
  await followLog(workplace, tier, { follower: targets, leader }, work);
}

/** Fixed once: a run that is resumed reads up to the same place. Stays null for an empty log. */
async function fence(workplace: Workplace, runs: Runs, { run, spec }: Run): Promise<Run> {
  const asOf = spec.kind === 'rebuild' ? spec.asOf : undefined;
  const position = asOf === undefined ? await workplace.store().head() : BigInt(asOf.position);
  return position === null ? runs.read(run) : runs.setFence(run, position);
}
