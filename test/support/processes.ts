import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

export interface TestProcess {
  readonly pid: number;
  /** What it reported when it became ready. */
  readonly port: number | undefined;
  /** All it wrote so far, stdout and stderr in order of arrival. */
  readonly output: () => string;
  /** Resolves with its exit code, or null after a signal. */
  readonly exited: Promise<number | null>;
  /** SIGTERM, then waits for its end; by SIGKILL after `timeoutMs`. Returns the exit code. */
  stop(timeoutMs?: number): Promise<number | null>;
  kill(signal: NodeJS.Signals): void;
  /** What it sends over IPC from now on. */
  onMessage(listener: (message: unknown) => void): void;
}

export interface TestProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly args?: readonly string[];
  readonly readyTimeoutMs?: number;
  readonly cwd?: string;
  /** A process group of its own: Ctrl-C in the terminal then reaches the parent alone, which ends things in order. */
  readonly ownGroup?: boolean;
}

interface Started {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly output: () => string;
}

/**
 * Runs `dist/<file>` (built by `npm run build`) and waits for its ready message. Throws with all the process wrote when it
 * ends first or takes longer. Only PATH, HOME and the given variables are in its environment.
 */
export async function startProcess(file: string, options: TestProcessOptions = {}): Promise<TestProcess> {
  const started = spawnProcess(file, options);
  const { child, exited, output } = started;
  const readyTimeoutMs = options.readyTimeoutMs ?? 20_000;
  const ready = new Promise<number | undefined>((done) => {
    child.on('message', (message: { type?: string; port?: number }) => {
      if (message.type === 'ready') done(message.port);
    });
  });
  const first = await Promise.race([
    ready.then((port) => ({ port })),
    exited.then((code) => `${file} ended with ${code} before it was ready`),
    bound(readyTimeoutMs).then(() => `${file} was not ready within ${readyTimeoutMs} ms`),
  ]);
  if (typeof first === 'string') {
    child.kill('SIGKILL');
    throw new Error(`${first}:\n${output()}`);
  }
  return controlled(started, first.port);
}

/** Runs `dist/<file>` to its end, for command line tools. */
export async function runToEnd(
  file: string,
  options: TestProcessOptions = {},
): Promise<{ exitCode: number | null; output: string }> {
  const { exited, output } = spawnProcess(file, options);
  return { exitCode: await exited, output: output() };
}

function spawnProcess(
  file: string,
  { env = {}, args = [], cwd, ownGroup = false }: TestProcessOptions,
): Started {
  const child = spawn(process.execPath, [resolve('dist', file), ...args], {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    detached: ownGroup,
    ...(cwd === undefined ? {} : { cwd }),
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  }
  const exited = once(child, 'close').then(([code]) => code as number | null);
  return { child, exited, output: () => text };
}

/** Sends `name` to each that is still there. */
export function signalAll(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name);
    } catch (error) {
      // It may have ended since it was listed.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

function controlled({ child, exited, output }: Started, port: number | undefined): TestProcess {
  return {
    pid: child.pid ?? 0,
    port,
    output,
    exited,
    kill: (signal) => void child.kill(signal),
    onMessage: (listener) => void child.on('message', listener),
    stop: async (timeoutMs = 12_000) => {
      child.kill('SIGTERM');
      const forced = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
      const code = await exited;
      clearTimeout(forced);
      return code;
    },
  };
}

function bound(timeoutMs: number): Promise<void> {
  return new Promise((done) => setTimeout(done, timeoutMs).unref());
}
