import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { ZodError } from 'zod';
import { CommandFailure, exitCodes, oneLine, type CommandContext } from '../command-run';
import type { Output } from '../output';
import { RunOperations } from './operations/run-operations';
import type { RunView } from './operations/run-view';
import {
  rebuildSpecOf,
  repartitionSpecOf,
  type CutOverFlags,
  type FillFlags,
  type ForceFlags,
  type RebuildFlags,
  type RepartitionFlags,
} from './run-flags';
import { PhaseBars } from './phase-bars';
import { printCertificates, printList, printPlan, printRun } from './run-screens';
import { commandLine, RunRefused } from './run-states';
import { openWorkplace, type Workplace } from './workplace';

const watchIntervalMs = 1_000;

interface Desk {
  readonly operations: RunOperations;
  readonly workplace: Workplace;
}

/** What the operations refuse is told in one line with what to do instead; a bad task is a usage error. */
async function at(
  context: CommandContext,
  work: (desk: Desk) => Promise<number | void>,
): Promise<number | void> {
  const workplace = openWorkplace(context);
  const operations = new RunOperations(workplace);
  try {
    return await work({ operations, workplace });
  } catch (error) {
    if (error instanceof RunRefused) throw new CommandFailure(refusal(error));
    if (error instanceof ZodError)
      throw new CommandFailure(error.issues.map(faultOf).join('; '), exitCodes.usage);
    throw error;
  }
}

function faultOf({ path, message }: ZodError['issues'][number]): string {
  return path.length === 0 ? message : `${path.join('.')}: ${message}`;
}

function refusal({ message, run, next }: RunRefused): string {
  const commands = next.map((command) => commandLine('rebuild', command, run));
  return commands.length === 0 ? message : `${message}; next: ${commands.join(' or ')}`;
}

export async function planCommand(
  kind: 'rebuild' | 'repartition',
  tiers: readonly string[],
  flags: RebuildFlags & RepartitionFlags,
  context: CommandContext,
): Promise<number | void> {
  return at(context, async ({ operations, workplace }) => {
    const view = await operations.plan(await specOf(kind, workplace, tiers, flags));
    context.output.record(view);
    printPlan(context.output, view);
  });
}

/** `run`: brings the run to `loaded`, and on to where the flags say. */
export async function fillCommand(
  kind: 'rebuild' | 'repartition',
  tiers: readonly string[],
  flags: RebuildFlags & RepartitionFlags & FillFlags,
  context: CommandContext,
): Promise<number | void> {
  return at(context, async (desk) => {
    refuseForceWithoutReason(flags);
    const { operations, workplace } = desk;
    const begun =
      flags.plan === undefined
        ? await operations.begin(await specOf(kind, workplace, tiers, flags), {
            fresh: flags.fresh === true,
          })
        : await operations.status(flags.plan);
    if (flags.eventsPerSecond !== undefined) await operations.throttle(begun.run, flags.eventsPerSecond);
    return fillAndGoOn(desk, begun, flags, context);
  });
}

export async function resumeCommand(
  run: number,
  flags: FillFlags,
  context: CommandContext,
): Promise<number | void> {
  return at(context, async (desk) => {
    const { view, isWorkedOn } = await desk.operations.resume(run);
    if (!isWorkedOn) return fillAndGoOn(desk, view, flags, context);
    context.output.record(view);
    printRun(context.output, view);
    return exitCodes.done;
  });
}

async function fillAndGoOn(
  { operations }: Desk,
  begun: RunView,
  flags: FillFlags,
  context: CommandContext,
): Promise<number> {
  const { output, signal } = context;
  output.notice(`Run ${begun.run}: ${begun.what}.`);
  const bars = new PhaseBars();
  const onNotice = (text: string): void => bars.say(text);
  let view: RunView;
  try {
    const { governorP95Ms } = flags;
    view = await operations.run(begun.run, {
      ...{ signal, onNotice, onProgress: (progress) => bars.show(progress) },
      ...(governorP95Ms === undefined ? {} : { governorP95Ms }),
    });
  } catch (error) {
    if (!signal.aborted) throw error;
    bars.stop();
    output.notice(
      `Run ${begun.run} is stopped. \`mailfold ${begun.kind} resume ${begun.run}\` goes on with it.`,
    );
    return exitCodes.interrupted;
  } finally {
    bars.stop();
  }
  if (!['planned', 'stopped', 'running', 'paused'].includes(begun.state))
    output.notice(`It is ${begun.state} already: ${begun.meaning}.`);
  if (flags.verify === true && view.state !== 'verified' && view.next.some((next) => next.includes('verify')))
    view = await operations.verify(view.run, { signal });
  if (
    flags.cutover === true &&
    (view.state === 'verified' || view.state === 'partial' || flags.force === true)
  )
    view = await operations.cutOver(view.run, {
      ...forceOf(flags),
      canary: flags.canary === true,
      signal,
      onNotice,
    });
  if (flags.retire === true && view.state === 'serving') view = await operations.retire(view.run);
  output.record(view);
  printRun(output, view);
  tellRefuted(output, view);
  const fallsShort = flags.cutover === true && !['serving', 'done'].includes(view.state);
  return view.state === 'refuted' || fallsShort ? exitCodes.failed : exitCodes.done;
}

export async function statusCommand(
  run: number | undefined,
  { watch = false }: { readonly watch?: boolean },
  context: CommandContext,
): Promise<number | void> {
  const { output, signal } = context;
  return at(context, async ({ operations }) => {
    for (;;) {
      const views = run === undefined ? await operations.list() : [await operations.status(run)];
      for (const view of views) output.record(view);
      if (run === undefined) printList(output, views);
      else for (const view of views) printRun(output, view);
      const isAtWork = views.some(({ workedOnBy }) => workedOnBy !== null);
      if (!watch || !isAtWork || signal.aborted) return;
      await delay(watchIntervalMs, undefined, { signal }).catch(() => undefined);
    }
  });
}

export async function pauseCommand(run: number, context: CommandContext): Promise<number | void> {
  return shown(context, (operations) => operations.pause(run));
}

export async function throttleCommand(
  run: number,
  eventsPerSecondMax: number | null,
  context: CommandContext,
): Promise<number | void> {
  return shown(context, (operations) => operations.throttle(run, eventsPerSecondMax));
}

/** Exit code 1 when a gate does not hold. */
export async function verifyCommand(
  run: number,
  { certificate: file = 'certificate.json' }: { readonly certificate?: string },
  context: CommandContext,
): Promise<number | void> {
  const { output, signal } = context;
  return at(context, async ({ operations }) => {
    const view = await operations.verify(run, { signal });
    writeFileSync(file, `${JSON.stringify(view.certificates, null, 2)}\n`);
    output.record(view);
    printCertificates(output, view);
    output.line(`Written to ${file}.`);
    printRun(output, view);
    tellRefuted(output, view);
    return view.state === 'verified' ? exitCodes.done : exitCodes.failed;
  });
}

export async function cutOverCommand(
  run: number,
  flags: CutOverFlags,
  context: CommandContext,
): Promise<number | void> {
  const { slots, tenant, canary = false, canaryPauseMs } = flags;
  refuseForceWithoutReason(flags);
  return shown(context, (operations) =>
    operations.cutOver(run, {
      ...forceOf(flags),
      ...{ canary, signal: context.signal, onNotice: (text) => context.output.notice(text) },
      ...(slots === undefined ? {} : { slots }),
      ...(tenant === undefined ? {} : { tenantId: tenant }),
      ...(canaryPauseMs === undefined ? {} : { canaryPauseMs }),
    }),
  );
}

export async function rollBackCommand(run: number, context: CommandContext): Promise<number | void> {
  return shown(context, (operations) => operations.rollBack(run, { signal: context.signal }));
}

export async function retireCommand(
  run: number,
  flags: { readonly yes?: boolean },
  context: CommandContext,
): Promise<number | void> {
  await confirm(`Drop what served before run ${run}? There is no way back after that.`, flags, context);
  return shown(context, (operations) => operations.retire(run));
}

export async function discardCommand(
  run: number,
  flags: { readonly yes?: boolean },
  context: CommandContext,
): Promise<number | void> {
  await confirm(`Drop all that run ${run} has made?`, flags, context);
  return shown(context, (operations) => operations.discard(run));
}

async function shown(
  context: CommandContext,
  work: (operations: RunOperations) => Promise<RunView>,
): Promise<number | void> {
  return at(context, async ({ operations }) => {
    const view = await work(operations);
    context.output.record(view);
    printRun(context.output, view);
  });
}

function tellRefuted(output: Output, { run, state, failure }: RunView): void {
  if (state === 'refuted') output.error(`run ${run} is refuted: ${failure ?? 'a gate does not hold'}`);
}

async function specOf(
  kind: 'rebuild' | 'repartition',
  workplace: Workplace,
  tiers: readonly string[],
  flags: RebuildFlags & RepartitionFlags,
) {
  return kind === 'rebuild' ? rebuildSpecOf(workplace, tiers, flags) : repartitionSpecOf(tiers, flags);
}

function refuseForceWithoutReason({ force, reason }: ForceFlags): void {
  if (force === true && (reason === undefined || reason.trim() === ''))
    throw new CommandFailure('--force needs --reason "why", which goes into the journal', exitCodes.usage);
}

function forceOf({ force, reason }: ForceFlags): { force?: { reason: string } } {
  return force === true && reason !== undefined ? { force: { reason } } : {};
}

async function confirm(
  question: string,
  { yes }: { readonly yes?: boolean },
  { signal }: CommandContext,
): Promise<void> {
  if (yes === true) return;
  if (!process.stdin.isTTY) throw new CommandFailure(`${question} Add --yes.`, exitCodes.usage);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await terminal.question(`${question} [y/N] `, { signal });
    if (!/^y(es)?$/i.test(answer.trim())) throw new CommandFailure('nothing was done');
  } catch (error) {
    throw error instanceof CommandFailure ? error : new CommandFailure(oneLine(error));
  } finally {
    terminal.close();
  }
}
