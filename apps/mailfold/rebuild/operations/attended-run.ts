import { giveWay } from '../give-way';
import { govern } from '../governor';
import { Pace } from '../pace';
import { lockRun } from '../run-lock';
import { RunRefused } from '../run-states';
import type { Run, RunProgress, Runs } from '../runs';
import type { Workplace } from '../workplace';
import { Attendance } from './attendance';
import type { FillWork } from './follow-log';
import { readProbe } from './read-probe';

export interface FillOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: RunProgress) => void;
  readonly onNotice?: (text: string) => void;
  /** Slows down when reads take longer than this, ms. */
  readonly governorP95Ms?: number;
  /** Of a rolling rebuild: its ranges may serve although reads were not compared. */
  readonly withoutShadowReads?: boolean;
}

/** A run that is worked on as a part of another one, which keeps others off the tier and sets the pace. */
export interface PartOptions extends FillOptions {
  readonly outerPace: () => Promise<void>;
}

/** Where the work on a run has brought it. */
export type RunEnd =
  /** It is filled: to be proved before it serves. */
  | { readonly step: 'load' }
  /** Nothing is left to do; the detail is kept in its journal. */
  | { readonly step: 'finish'; readonly detail: object };

/**
 * Works on a run while operators watch it, pause it and slow it down, and nobody else works on its tiers. On abort and on
 * every error the run is left `stopped`, to go on from there.
 * Throws {@link RunRefused} at once when somebody works on one of its tiers, or other code has begun it.
 */
export async function attendedRun(
  workplace: Workplace,
  runs: Runs,
  run: Run,
  options: FillOptions | PartOptions,
  work: (started: Run, work: FillWork) => Promise<RunEnd>,
): Promise<Run> {
  refuseOtherCode(run, workplace.codeVersion);
  giveWay(workplace.niceness);
  const outerPace = 'outerPace' in options ? options.outerPace : undefined;
  const tiers = outerPace === undefined ? run.spec.tiers : [];
  const lock = await lockRun(workplace.controlUrl, { run: run.run, tiers }, workplace.owner);
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, lock.lost, stop.signal]);
  try {
    const started = await runs.step(run.run, 'start', 'running', { owner: workplace.owner, wish: 'run' });
    const pace = new Pace(signal, { ...(outerPace ? { outer: outerPace } : {}) });
    const attendance = new Attendance(runs, started, pace, {
      onProgress: options.onProgress ?? (() => undefined),
      onTakenAway: (reason) => stop.abort(reason),
    });
    const governing = governed(workplace, started, { pace, attendance, signal: stop.signal }, options);
    const outcome = await work(started, { pace, attendance, signal }).then(
      (end) => ({ end }),
      (error: unknown) => ({ error: signal.aborted ? (signal.reason as unknown) : error }),
    );
    stop.abort();
    await governing;
    await attendance.end();
    if ('error' in outcome) {
      await leaveStopped(runs, run.run, outcome.error);
      throw outcome.error;
    }
    const { end } = outcome;
    return end.step === 'finish'
      ? await runs.step(run.run, 'finish', 'done', {}, end.detail)
      : await runs.step(run.run, 'load', 'loaded');
  } finally {
    await lock.release();
  }
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
