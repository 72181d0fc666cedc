import { exitCodes, type CommandContext } from '../command-run';
import { atDesk, type Desk } from './desk';
import { isFillable } from './run-states';
import type { RunView } from './operations/run-view';
import { PhaseBars } from './phase-bars';
import {
  forceOf,
  rebuildSpecOf,
  repartitionSpecOf,
  type FillFlags,
  type RebuildFlags,
  type RepartitionFlags,
} from './run-flags';
import type { RunSpecInput } from './run-spec';
import { printPlan } from './plan-screen';
import { printRun } from './run-screens';
import { tellRefuted, verifyWithBars } from './verify-with-bars';
import type { Workplace } from './workplace';

type Kind = 'rebuild' | 'repartition';

/** `plan`: takes a sample of the log for the figures; what remains is a row in the list of runs. */
export async function planCommand(
  kind: Kind,
  tiers: readonly string[],
  flags: RebuildFlags & RepartitionFlags,
  context: CommandContext,
): Promise<number | void> {
  return atDesk(context, async ({ operations, workplace }) => {
    const spec = await specOf(kind, workplace, tiers, flags);
    const view = await planWithBars(operations, spec, context);
    context.output.record(view);
    printPlan(context.output, view);
  });
}

async function planWithBars(
  operations: Desk['operations'],
  spec: RunSpecInput,
  { signal }: CommandContext,
): Promise<RunView> {
  const bars = new PhaseBars();
  try {
    return await operations.plan(spec, {
      signal,
      onProgress: ({ phase, ...figures }) => bars.show({ ...figures, phase: `sample ${phase}` }),
    });
  } finally {
    bars.stop();
  }
}

/** `run`: brings a run to `loaded`, and on to where the flags say. */
export async function fillCommand(
  kind: Kind,
  tiers: readonly string[],
  flags: RebuildFlags & RepartitionFlags & FillFlags,
  context: CommandContext,
): Promise<number | void> {
  forceOf(flags);
  return atDesk(context, async (desk) => {
    const { operations, workplace } = desk;
    const { plan, fresh = false, eventsPerSecond } = flags;
    const begun =
      plan === undefined
        ? await operations.begin(await specOf(kind, workplace, tiers, flags), { fresh })
        : await operations.status(plan);
    if (eventsPerSecond !== undefined) await operations.throttle(begun.run, eventsPerSecond);
    return fillAndGoOn(desk, begun, flags, context);
  });
}

/** `resume`: wakes the process that waits, or is that process from now on. */
export async function resumeCommand(
  run: number,
  flags: FillFlags,
  context: CommandContext,
): Promise<number | void> {
  return atDesk(context, async (desk) => {
    const { view, isWorkedOn } = await desk.operations.resume(run);
    if (!isWorkedOn) return fillAndGoOn(desk, view, flags, context);
    context.output.record(view);
    printRun(context.output, view);
    return exitCodes.done;
  });
}

async function fillAndGoOn(
  desk: Desk,
  begun: RunView,
  flags: FillFlags,
  context: CommandContext,
): Promise<number> {
  const { output } = context;
  output.notice(`Run ${begun.run}: ${begun.what}.`);
  const filled = await fillWithBars(desk, begun, flags, context);
  if (filled === null) {
    output.notice(
      `Run ${begun.run} is stopped. \`mailfold ${begun.kind} resume ${begun.run}\` goes on with it.`,
    );
    return exitCodes.interrupted;
  }
  if (!isFillable(begun.state)) output.notice(`It is ${begun.state} already: ${begun.meaning}.`);
  const view = await goOn(desk, filled, flags, context);
  output.record(view);
  printRun(output, view);
  tellRefuted(output, view);
  const fallsShort = flags.cutover === true && !['serving', 'done'].includes(view.state);
  return view.state === 'refuted' || fallsShort ? exitCodes.failed : exitCodes.done;
}

/** Null: interrupted. */
async function fillWithBars(
  { operations }: Desk,
  { run }: RunView,
  { governorP95Ms, withoutShadowReads = false }: FillFlags,
  { signal }: CommandContext,
): Promise<RunView | null> {
  const bars = new PhaseBars();
  try {
    return await operations.run(run, {
      ...{
        withoutShadowReads,
        signal,
        onNotice: (text) => bars.say(text),
        onProgress: (progress) => bars.show(progress),
      },
      ...(governorP95Ms === undefined ? {} : { governorP95Ms }),
    });
  } catch (error) {
    if (signal.aborted) return null;
    throw error;
  } finally {
    bars.stop();
  }
}

async function goOn(
  { operations }: Desk,
  filled: RunView,
  flags: FillFlags,
  context: CommandContext,
): Promise<RunView> {
  const { output, signal } = context;
  let view = filled;
  if (flags.verify === true && ['loaded', 'refuted', 'rolled-back'].includes(view.state))
    view = await verifyWithBars(operations, view.run, flags, context);
  const mayServe = flags.force === true || view.state === 'verified' || view.state === 'partial';
  if (flags.cutover === true && mayServe)
    view = await operations.cutOver(view.run, {
      ...forceOf(flags),
      ...{ canary: flags.canary === true, signal, onNotice: (text) => output.notice(text) },
    });
  if (flags.retire === true && view.state === 'serving') view = await operations.retire(view.run, { signal });
  return view;
}

async function specOf(
  kind: Kind,
  workplace: Workplace,
  tiers: readonly string[],
  flags: RebuildFlags & RepartitionFlags,
): Promise<RunSpecInput> {
  return kind === 'rebuild' ? rebuildSpecOf(workplace, tiers, flags) : repartitionSpecOf(tiers, flags);
}
