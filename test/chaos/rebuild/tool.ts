import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

export interface ToolEnded {
  /** Null: it was killed. */
  readonly exitCode: number | null;
  /** What it printed with `--json`, a document a line. */
  readonly records: readonly Readonly<Record<string, unknown>>[];
  readonly stderr: string;
  readonly seconds: number;
}

/** One `mailfold --json <args>`, a process of its own, there to be killed; it is when `signal` aborts. */
export interface Tool {
  readonly ended: Promise<ToolEnded>;
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>;
}

export function startTool(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Tool {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [resolve('dist/apps/mailfold/main.js'), '--json', ...args], {
    // In its short form it runs beside other test files, to which it must not give way.
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      REBUILD_NICENESS: '0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const abandon = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', abandon, { once: true });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const closed = once(child, 'close').finally(() => signal.removeEventListener('abort', abandon));
  const ended = closed.then(([exitCode]): ToolEnded => ({
    exitCode: exitCode as number | null,
    // Killed within a line, it has not said it.
    records: stdout
      .split('\n')
      .slice(0, -1)
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>),
    stderr,
    seconds: (performance.now() - startedAt) / 1_000,
  }));
  return {
    ended,
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Runs to its end. Throws with what it said when that was no success. */
export async function runTool(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<ToolEnded> {
  const ended = await startTool(args, env, signal).ended;
  if (ended.exitCode !== 0)
    throw new Error(
      `mailfold ${args.join(' ')} ended with ${ended.exitCode}: ${ended.stderr.trim().slice(-500)}`,
    );
  return ended;
}
