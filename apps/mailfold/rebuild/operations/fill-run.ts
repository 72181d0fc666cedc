import { freezeGeneration, startTailing, type Generation } from '../../../shared/generations/generations';
import { readPlacement } from '../../../shared/generations/placement';
import { govern } from '../governor';
import { servedParts } from '../layout';
import { Pace } from '../pace';
import { lockRun } from '../run-lock';
import { refoldedConversation, returnedTenant } from '../run-spec';
import { RunRefused } from '../run-states';
import type { Run, RunProgress, Runs } from '../runs';
import type { Workplace } from '../workplace';
import { Attendance } from './attendance';
import { refoldConversation, type RefoldedTarget } from './conversation-refold';
import { followLog, type FillWork } from './follow-log';
import { loadGenerations } from './load-generations';
import { readProbe } from './read-probe';
import { makeGenerations } from './run-generations';
import { fillReturn } from './tenant-return';

export interface FillOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: RunProgress) => void;
  readonly onNotice?: (text: string) => void;
  /** Slows down when reads take longer than this, ms. */
  readonly governorP95Ms?: number;
}

/**
 * Brings a run to `loaded`, from wherever it stands: its generations are made, filled, and kept at the end of the log by the
 * projectors. One that folds a conversation again in place is `done` then. On abort and on every error the run is left `stopped`, to go on from there.
 * Throws {@link RunRefused} at once when somebody works on one of its tiers, or other code has begun it.
 */
export async function fillRun(
  workplace: Workplace,
  runs: Runs,
  run: Run,
  options: FillOptions,
): Promise<Run> {
  refuseOtherCode(run, workplace.codeVersion);
  const lock = await lockRun(workplace.controlUrl, { run: run.run, tiers: run.spec.tiers }, workplace.owner);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, lock.lost, stop.signal]);
  try {
    const started = await runs.step(run.run, 'start', 'running', { owner: workplace.owner, wish: 'run' });
    const pace = new Pace(signal);
    const attendance = new Attendance(runs, started, pace, {
      onProgress: options.onProgress ?? (() => undefined),
      onTakenAway: (reason) => stop.abort(reason),
    });
    const governing = governed(workplace, started, { pace, attendance, signal: stop.signal }, options);
    const outcome = await fill(workplace, runs, started, { pace, attendance, signal }).then(
      (refolded) => ({ refolded }),
      (error: unknown) => ({ error: signal.aborted ? (signal.reason as unknown) : error }),
    );
    stop.abort();
    await governing;
    await attendance.end();
    if ('error' in outcome) {
      await leaveStopped(runs, run.run, outcome.error);
      throw outcome.error;
    }
    const { refolded } = outcome;
    if (refolded !== null) return await runs.step(run.run, 'finish', 'done', {}, { refolded });
    return await runs.step(run.run, 'load', 'loaded');
  } finally {
    await lock.release();
  }
}

/** Resolves to what was folded again in place; null: something was filled, which is to be proved before it serves. */
async function fill(
  workplace: Workplace,
  runs: Runs,
  run: Run,
  work: FillWork,
): Promise<RefoldedTarget[] | null> {
  if (refoldedConversation(run.spec) !== null) return refoldConversation(workplace, run, work);
  await (returnedTenant(run.spec) === null
    ? fillGenerations(workplace, runs, run, work)
    : fillReturn(workplace, run, work));
  return null;
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

function refuseOtherCode({ run, codeVersion }: Run, present: string): void {
  if (codeVersion === present) return;
  throw new RunRefused(
    `run ${run} was planned by other code (${codeVersion}, this is ${present}): what one build began no other may go on with`,
    run,
    ['discard', 'plan'],
  );
}

async function leaveStopped(runs: Runs, run: number, error: unknown): Promise<void> {
  const wasInterrupted = error instanceof Error && error.name === 'AbortError';
  const failure = wasInterrupted ? null : error instanceof Error ? error.message : String(error);
  // Where even this fails, the run is left running without an owner, and can be resumed all the same.
  await runs.step(run, 'stop', 'stopped', { failure }).catch(() => undefined);
}

async function governed(
  workplace: Workplace,
  { spec }: Run,
  { pace, attendance, signal }: Pick<FillWork, 'pace' | 'attendance' | 'signal'>,
  { governorP95Ms, onNotice }: FillOptions,
): Promise<void> {
  if (governorP95Ms === undefined) return;
  await govern({
    p95MaxMs: governorP95Ms,
    probe: await readProbe(workplace, spec.tiers),
    rate: () => attendance.eventsPerSecond,
    signal,
    onBound: ({ eventsPerSecondMax, p95Ms }) => {
      pace.bound({ governor: eventsPerSecondMax });
      const told =
        eventsPerSecondMax === null
          ? undefined
          : `to ${eventsPerSecondMax} events/s: p95 of reads ${p95Ms.toFixed(1)} ms, bound ${governorP95Ms} ms`;
      attendance.tellSlowed(told);
      onNotice?.(told === undefined ? 'Governor: no bound any more.' : `Governor: slowed ${told}.`);
    },
  });
}
