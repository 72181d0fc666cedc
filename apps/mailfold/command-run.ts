import { ConfigError } from '../shared/config/load-config';
import { loadDevEnvironment } from '../shared/config/dev-environment';
import { createOutput, type Output } from './output';

export const exitCodes = { done: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Something the caller can act upon, told in one line without a stack. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  constructor(
    message: string,
    readonly exitCode: number = exitCodes.failed,
  ) {
    super(message);
  }
}

export interface GlobalOptions {
  readonly json?: boolean;
  readonly dataDir?: string;
}

export interface CommandContext {
  readonly output: Output;
  /** Aborted by the first Ctrl-C or SIGTERM: finish what is in hand, say how to go on, end. */
  readonly signal: AbortSignal;
  /** Closers run in reverse order at the end of the command, however it ends. */
  readonly onEnd: (close: () => unknown) => void;
}

const drainTimeoutMs = 2_000;

/**
 * The frame of every command: defaults from a running `npm start`, Ctrl-C, one-line errors, exit codes.
 * 0 done; 1 failed, or the answer is bad news (a difference, a parked tier); 2 usage or configuration; 130 interrupted.
 * A second Ctrl-C ends at once.
 */
export async function runCommand(
  options: GlobalOptions,
  command: (context: CommandContext) => Promise<number | void>,
): Promise<void> {
  const output = createOutput(options.json === true);
  const interruption = interruptible();
  const closers: (() => unknown)[] = [];
  let exitCode: number;
  try {
    loadDevEnvironment(options.dataDir ?? process.env['DATA_DIR'] ?? '.mailfold');
    exitCode =
      (await command({
        output,
        signal: interruption.signal,
        onEnd: (close) => void closers.push(close),
      })) ?? exitCodes.done;
    if (interruption.signal.aborted) exitCode = exitCodes.interrupted;
  } catch (error) {
    exitCode = report(error, output, interruption.signal);
  }
  for (let close = closers.pop(); close; close = closers.pop()) {
    try {
      await close();
    } catch (error) {
      output.notice(`While closing: ${oneLine(error)}`);
    }
  }
  interruption.end();
  endWith(exitCode);
}

function report(error: unknown, output: Output, signal: AbortSignal): number {
  if (signal.aborted && !(error instanceof CommandFailure)) {
    output.notice('Interrupted.');
    return exitCodes.interrupted;
  }
  output.error(oneLine(error));
  if (error instanceof ConfigError) return exitCodes.usage;
  if (error instanceof CommandFailure) return error.exitCode;
  if (process.env['LOG_LEVEL'] === 'debug' && error instanceof Error) output.notice(error.stack ?? '');
  return exitCodes.failed;
}

/** The causes' messages too: "fetch failed" alone helps nobody. */
export function oneLine(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const inner = error instanceof AggregateError ? (error.errors as unknown[]).at(0) : error.cause;
  const own = error.message.replace(/\s+/g, ' ').trim() || error.name;
  return inner instanceof Error ? `${own}: ${oneLine(inner)}` : own;
}

function interruptible(): { signal: AbortSignal; end: () => void } {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(exitCodes.interrupted);
    controller.abort();
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    end: () => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}

/** Lets a pipe drain; `process.exit` would cut its last lines off. */
function endWith(exitCode: number): void {
  process.exitCode = exitCode;
  setTimeout(() => process.exit(exitCode), drainTimeoutMs).unref();
}
