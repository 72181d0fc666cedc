import type { RunView } from '../../apps/mailfold/rebuild/operations/run-view';
import { projectionTiers } from '../../projections/tiers';
import type { Row, RowContext, Side } from '../harness/row';
import { openPlanBed, type PlanBed } from '../parts/plan-bed';

const eventsByDefault = { full: 1_000_000, quick: 5_000 } as const;

export const rebuildEtaRow: Row = {
  name: 'rebuild-eta',
  ours: 'time that `mailfold rebuild plan` gives a rebuild of all tiers, from a sample of the log',
  over: 'time that the run of that plan then takes, up to the tail',
  unit: 's',
  target: { within: 0.2 },
  open: async (context) => {
    const byDefault = context.quick ? eventsByDefault.quick : eventsByDefault.full;
    const bed = await openPlanBed(context, context.events ?? byDefault);
    const rebuild = new PlannedRebuild(context, bed);
    return [{ sides: [rebuild.plan, rebuild.run] }];
  },
};

interface PhaseSeconds {
  readonly phase: string;
  readonly seconds: number;
}

/** The plan of a round is what its run carries out. */
class PlannedRebuild {
  private planned: RunView | undefined;
  private carriedOut: RunView | undefined;

  constructor(
    private readonly context: RowContext,
    private readonly bed: PlanBed,
  ) {}

  readonly plan: Side = {
    name: 'plan',
    prepare: async () => {
      this.planned = undefined;
      this.carriedOut = undefined;
      await this.bed.checkpoint();
    },
    run: async () => {
      this.planned = await this.rebuild('plan', ...projectionTiers.map(({ tier }) => tier));
      const { seconds, sample } = estimateOf(this.planned);
      return { value: seconds.value, eventCount: sample.events };
    },
    check: async () => [],
    close: async () => undefined,
    processes: () => this.bed.processes,
  };

  readonly run: Side = {
    name: 'run',
    prepare: () => this.bed.checkpoint(),
    run: async () => {
      const { run, events } = this.plannedOne();
      this.carriedOut = await this.rebuild('run', '--plan', String(run));
      return { value: sum(this.took()), eventCount: events };
    },
    check: async () => {
      this.tellBeside();
      const missing = this.forecast().filter(
        ({ phase }) => !this.took().some((each) => each.phase === phase),
      );
      return missing.map(({ phase }) => `${phase} was planned, and the run does not say what it took`);
    },
    close: async () => {
      if (this.carriedOut === undefined || this.context.signal.aborted) return;
      await this.bed.mailfold('rebuild', 'discard', String(this.carriedOut.run), '--yes');
    },
    processes: () => this.bed.processes,
  };

  private async rebuild(...args: readonly string[]): Promise<RunView> {
    const [view] = await this.bed.mailfold('rebuild', ...args);
    if (view === undefined) throw new Error(`mailfold rebuild ${args.join(' ')} printed nothing`);
    return view as unknown as RunView;
  }

  private plannedOne(): { readonly run: number; readonly events: number } {
    if (this.planned === undefined) throw new Error('nothing is planned');
    return { run: this.planned.run, events: estimateOf(this.planned).events };
  }

  private forecast(): PhaseSeconds[] {
    if (this.planned === undefined) return [];
    return estimateOf(this.planned).phases.map(({ phase, seconds }) => ({ phase, seconds: seconds.value }));
  }

  /** Of the phases that a plan is made for: how long the tail takes is up to those who write meanwhile. */
  private took(): PhaseSeconds[] {
    const planned = new Set(this.forecast().map(({ phase }) => phase));
    return (this.carriedOut?.progress?.took ?? []).filter(({ phase }) => planned.has(phase));
  }

  private tellBeside(): void {
    const took = new Map(this.took().map(({ phase, seconds }) => [phase, seconds]));
    const phases = this.forecast().map(
      ({ phase, seconds }) => `${phase} ${seconds.toFixed(1)} / ${took.get(phase)?.toFixed(1) ?? '–'} s`,
    );
    const all = `${sum(this.forecast()).toFixed(1)} / ${sum(this.took()).toFixed(1)} s in all`;
    this.context.notice(`planned / took: ${phases.join(', ')}; ${all}`);
  }
}

function estimateOf({ plan }: RunView): NonNullable<RunView['plan']['estimate']> {
  if (plan.estimate === null) throw new Error('the plan says nothing about time');
  return plan.estimate;
}

function sum(phases: readonly PhaseSeconds[]): number {
  return phases.reduce((all, { seconds }) => all + seconds, 0);
}
