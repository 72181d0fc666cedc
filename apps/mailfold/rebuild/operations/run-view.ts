import type { SlotRange } from '../../../shared/generations/coverage';
import type { Generation } from '../../../shared/generations/generations';
import { holderOf, lockOfRun } from '../run-lock';
import { described } from '../run-spec';
import { commandLine, meaningOf, nextCommands, type RunState } from '../run-states';
import type { JournalEntry, Run, RunProgress } from '../runs';
import type { Workplace } from '../workplace';
import type { RefoldedTarget } from './conversation-refold';
import type { RangeView } from './roll-run';
import { generationsOf } from './run-generations';

export interface GenerationView {
  readonly tier: string;
  readonly generation: number;
  readonly state: Generation['state'];
  readonly isLive: boolean;
  readonly targets: readonly {
    readonly databaseRef: string;
    readonly schema: string;
    readonly slots: SlotRange;
    readonly tenantId: string | null;
  }[];
}

/** A run as people and programs see it: plain data, the same on the command line and over HTTP. */
export interface RunView {
  readonly run: number;
  readonly kind: Run['spec']['kind'];
  /** In one line. */
  readonly what: string;
  readonly tiers: readonly string[];
  readonly state: RunState;
  readonly meaning: string;
  /** Commands that make sense now, the most likely one first. */
  readonly next: readonly string[];
  /** Who works on it at this moment; null: nobody. */
  readonly workedOnBy: string | null;
  readonly generations: readonly GenerationView[];
  readonly progress: RunProgress | null;
  /** What was done in place; absent for a run that makes or moves something, and until it is done. */
  readonly refolded?: readonly RefoldedTarget[];
  /** Of a rolling rebuild, in their order; absent for other runs. */
  readonly ranges?: readonly RangeView[];
  readonly fence: string | null;
  readonly eventsPerSecondMax: number | null;
  readonly failure: string | null;
  readonly certificates: Run['certificates'];
  readonly plan: Run['plan'];
  readonly codeVersion: string;
  readonly createdAt: string;
  readonly updatedAt: string;
}

export interface RunDetails extends RunView {
  readonly journal: readonly JournalEntry[];
}

/** A run whose process is gone shows as stopped, which is what it is. */
export async function viewOf(workplace: Workplace, run: Run): Promise<RunView> {
  const [generations, workedOnBy] = await Promise.all([
    generationsOf(workplace, run),
    holderOf(workplace.control, lockOfRun(run.run)),
  ]);
  const isOrphan = (run.state === 'running' || run.state === 'paused') && workedOnBy === null;
  const state = isOrphan ? 'stopped' : run.state;
  const { spec, progress, certificates, plan, codeVersion, createdAt, updatedAt, eventsPerSecondMax } = run;
  return {
    ...{ run: run.run, kind: spec.kind, what: described(spec), tiers: spec.tiers, state },
    ...{
      meaning: asOfMeaning(spec, state, generations) ?? meaningOf(state),
      next: nextOf(run, state),
      workedOnBy,
    },
    generations: generations.map(({ tier, generation, state: its, isLive, targets }) => ({
      ...{ tier, generation, state: its, isLive },
      targets: targets.map(({ databaseRef, schema, slots, tenantId }) => ({
        ...{ databaseRef, schema, slots, tenantId },
      })),
    })),
    ...{ progress, fence: run.fence?.toString() ?? null, eventsPerSecondMax },
    failure: isOrphan ? 'the process that worked on it is gone' : run.failure,
    ...{ certificates, plan, codeVersion, createdAt, updatedAt },
  };
}

/** A copy as of a time does not follow the log, and is dropped by the projectors. Null: it is like any other run. */
function asOfMeaning(spec: Run['spec'], state: RunState, generations: readonly Generation[]): string | null {
  if (spec.kind !== 'rebuild' || spec.asOf === undefined || state !== 'loaded') return null;
  return generations.length === 0
    ? 'its time is over, and its copy is dropped'
    : 'its copy is full, and stays as it is until its time is over';
}

function nextOf({ run, spec }: Run, state: RunState): string[] {
  const asOf = spec.kind === 'rebuild' && spec.asOf !== undefined;
  const commands = asOf && state === 'loaded' ? ['discard'] : nextCommands(state);
  return commands.map((command) => commandLine(spec.kind, command, run));
}
