import { createInterface } from 'node:readline/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { CommandFailure, exitCodes, oneLine, type CommandContext } from '../command-run';
import { atDesk } from './desk';
import type { RunOperations } from './operations/run-operations';
import type { RunView } from './operations/run-view';
import { forceOf, type CutOverFlags, type ExpectedFlags } from './run-flags';
import { printList, printRun } from './run-screens';
import { tellRefuted, verifyWithBars } from './verify-with-bars';

const watchIntervalMs = 1_000;

export async function statusCommand(
  run: number | undefined,
  { watch = false }: { readonly watch?: boolean },
  context: CommandContext,
): Promise<number | void> {
  const { output, signal } = context;
  return atDesk(context, async ({ operations }) => {
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
  flags: ExpectedFlags,
  context: CommandContext,
): Promise<number | void> {
  const { output } = context;
  return atDesk(context, async ({ operations }) => {
    const view = await verifyWithBars(operations, run, flags, context);
    output.record(view);
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
  const force = forceOf(flags);
  return shown(context, (operations) =>
    operations.cutOver(run, {
      ...force,
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
  return shown(context, (operations) => operations.retire(run, context));
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
  return atDesk(context, async ({ operations }) => {
    const view = await work(operations);
    context.output.record(view);
    printRun(context.output, view);
  });
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
