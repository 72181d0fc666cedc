import { readPlacement } from '../../../shared/generations/placement';
import { layoutOf } from '../layout';
import { holderOf, lockOfRun } from '../run-lock';
import {
  rangesOf,
  refoldedConversation,
  returnedTenant,
  runSpec,
  type RunSpec,
  type RunSpecInput,
} from '../run-spec';
import { isFillable, RunRefused } from '../run-states';
import { Runs, type Run, type RunPlan } from '../runs';
import type { Workplace } from '../workplace';
import { refoldedBy, refuseUnknownConversation } from './conversation-refold';
import { cutOverRun, rollBackRun, type CutOverOptions } from './cut-over-run';
import { estimateRun, type EstimateHooks } from './estimate-run';
import type { FillOptions } from './attended-run';
import { fillRun } from './fill-run';
import { verifyRun, type VerifyOptions } from './proof';
import { discardRun, retireRun, type Retired } from './retire-run';
import { discardRolling, rangeViews, rollRun } from './roll-run';
import { sourceOf } from './source';
import { cutOverReturn, discardReturn, retireReturn, rollBackReturn } from './tenant-return';
import { viewOf, type RunDetails, type RunView } from './run-view';

const listedMax = 20;

/** The steps of a run that makes generations. */
const withGenerations = {
  ...{ cutOver: cutOverRun, rollBack: rollBackRun, retire: retireRun, discard: discardRun },
};
/** The steps of a run that brings a tenant to generations that there are. */
const withTenant = {
  ...{ cutOver: cutOverReturn, rollBack: rollBackReturn, retire: retireReturn, discard: discardReturn },
};

/** The steps of a run that leaves them to the runs of its ranges. */
const withRanges = { ...withGenerations, discard: discardRolling };

function waysOf({ run, spec }: Run): typeof withGenerations {
  if (rangesOf(run, spec) !== null) return withRanges;
  return returnedTenant(spec) === null ? withGenerations : withTenant;
}

/**
 * Everything that can be done about rebuilds and re-partitions, for the command line and HTTP alike: takes plain data, returns
 * plain data, and is safe to repeat. Refuses with {@link RunRefused}, which says what to do instead.
 */
export class RunOperations {
  readonly runs: Runs;

  constructor(private readonly workplace: Workplace) {
    this.runs = new Runs(workplace.control, workplace.owner);
  }

  /**
   * Reckons what a run would make, and from a sample of the log what that takes, and keeps both under a number. Interrupted,
   * it leaves nothing. `null`: at once, without an estimate.
   */
  async plan(input: RunSpecInput, hooks: EstimateHooks | null): Promise<RunView> {
    const spec = runSpec.parse(input);
    const plan = await this.reckon(spec);
    const estimate = hooks && (await estimateRun(this.workplace, spec, plan, hooks));
    return this.view(await this.create(spec, { ...plan, estimate }));
  }

  /**
   * The run that this task belongs to: the one that was begun and is neither finished nor discarded, else a new one, without
   * an estimate, so that it can begin at once.
   * `fresh` discards what was begun.
   */
  async begin(input: RunSpecInput, { fresh = false }: { readonly fresh?: boolean } = {}): Promise<RunView> {
    const spec = runSpec.parse(input);
    const open = await this.runs.openWith(spec);
    if (open !== null && !fresh) return this.view(open);
    if (open !== null) await this.discard(open.run);
    return this.view(await this.create(spec, { ...(await this.reckon(spec)), estimate: null }));
  }

  /** Fills what a run makes, from wherever it stands. A run that is filled already is left as it is. */
  async run(run: number, options: FillOptions): Promise<RunView> {
    const known = await this.runs.read(run);
    if (!isFillable(known.state)) return this.view(known);
    const work = rangesOf(run, known.spec) === null ? fillRun : rollRun;
    return this.view(await work(this.workplace, this.runs, known, options));
  }

  async list(): Promise<RunView[]> {
    return Promise.all((await this.runs.list(listedMax)).map((run) => this.view(run)));
  }

  async status(run: number): Promise<RunDetails> {
    const view = await this.view(await this.runs.read(run));
    return { ...view, journal: await this.runs.journal(run) };
  }

  /** The process that fills it waits at the next batch. Throws {@link RunRefused} when none does. */
  async pause(run: number): Promise<RunView> {
    const { state } = await this.view(await this.runs.read(run));
    if (state !== 'running' && state !== 'paused')
      throw new RunRefused(`run ${run} cannot be paused: it is ${state}`, run, ['status']);
    return this.view(await this.runs.wish(run, 'pause'));
  }

  /** Wakes the process that waits. `isWorkedOn`: false when there is none, and somebody has to {@link run} it. */
  async resume(run: number): Promise<{ view: RunView; isWorkedOn: boolean }> {
    const known = await this.runs.read(run);
    if (!isFillable(known.state)) return { view: await this.view(known), isWorkedOn: true };
    const isWorkedOn = (await holderOf(this.workplace.control, lockOfRun(run))) !== null;
    return { view: await this.view(await this.runs.wish(run, 'run')), isWorkedOn };
  }

  /** Bounds how fast a run goes, also while it runs; `null`: as fast as it can. */
  async throttle(run: number, eventsPerSecondMax: number | null): Promise<RunView> {
    return this.view(await this.runs.throttle(run, eventsPerSecondMax));
  }

  async verify(run: number, options: VerifyOptions): Promise<RunView & { readonly certificateFile: string }> {
    const known = await this.runs.read(run);
    const { run: verified, file } = await verifyRun(this.workplace, this.runs, known, options);
    return { ...(await this.view(verified)), certificateFile: file };
  }

  async cutOver(run: number, options: CutOverOptions): Promise<RunView> {
    const known = await this.runs.read(run);
    const { cutOver } = waysOf(known);
    return this.view(await cutOver(this.workplace, this.runs, known, options));
  }

  async rollBack(run: number, options: { readonly signal: AbortSignal }): Promise<RunView> {
    const known = await this.runs.read(run);
    const { rollBack } = waysOf(known);
    return this.view(await rollBack(this.workplace, this.runs, known, options));
  }

  async retire(
    run: number,
    { signal }: { readonly signal: AbortSignal },
  ): Promise<RunView & { readonly retired: readonly Retired[] }> {
    const known = await this.runs.read(run);
    const { retire } = waysOf(known);
    const { run: after, retired } = await retire(this.workplace, this.runs, known, signal);
    return { ...(await this.view(after)), retired };
  }

  async discard(run: number): Promise<RunView & { readonly dropped: readonly Retired[] }> {
    const known = await this.runs.read(run);
    const { discard } = waysOf(known);
    const { run: after, dropped } = await discard(this.workplace, this.runs, known);
    return { ...(await this.view(after)), dropped };
  }

  private async reckon(spec: RunSpec): Promise<Omit<RunPlan, 'estimate'>> {
    await refuseUnknownConversation(this.workplace, spec);
    const tiers = await Promise.all(
      spec.tiers.map(async (tier) => ({
        tier,
        ...layoutOf(spec, await readPlacement(this.workplace.control, tier)),
      })),
    );
    const isInPlace = refoldedConversation(spec) !== null;
    if (!isInPlace && tiers.every(({ targets, moving }) => targets.length === 0 && moving.length === 0))
      throw new RunRefused('everything lies where it should: there is nothing to do', null, ['status']);
    return { tiers, lanes: this.workplace.lanes, source: await sourceOf(this.workplace, spec) };
  }

  private create(spec: RunSpec, plan: RunPlan): Promise<Run> {
    return this.runs.create(spec, plan, this.workplace.codeVersion);
  }

  private async view(run: Run): Promise<RunView> {
    const refolded = await refoldedBy(this.runs, run);
    const ranges = await rangeViews(this.runs, run);
    return {
      ...(await viewOf(this.workplace, run)),
      ...(refolded === null ? {} : { refolded }),
      ...(ranges === null ? {} : { ranges }),
    };
  }
}
