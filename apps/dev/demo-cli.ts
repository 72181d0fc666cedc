import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { UnexpectedAnswer } from './demo-expectation';

export type CliRecord = Readonly<Record<string, unknown>>;

/** Whatever it is at can be cut off (reliability.md F4). */
const stopTimeoutMs = 3_000;

/**
 * Runs `mailfold <args> --json` as a process of its own; resolves to the documents it printed. `onNotice` hears its stderr.
 * When aborted, the process is stopped, and gone before this rejects.
 */
export async function runMailfold(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
  onNotice: (text: string) => void = () => undefined,
): Promise<CliRecord[]> {
  signal.throwIfAborted();
  const child = spawn(process.execPath, [join(__dirname, '..', 'mailfold', 'main.js'), '--json', ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    onNotice(text);
  });
  const exitCode = await endOf(child, signal);
  signal.throwIfAborted();
  if (exitCode !== 0)
    throw new UnexpectedAnswer(`mailfold ${args.join(' ')}: ${stderr.trim()}`, 'exit code 0', exitCode);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as CliRecord);
}

async function endOf(child: ChildProcess, signal: AbortSignal): Promise<number | null> {
  const ended = new AbortController();
  const stop = (): void => {
    child.kill('SIGTERM');
    const forced = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
    ended.signal.addEventListener('abort', () => clearTimeout(forced));
  };
  signal.addEventListener('abort', stop, { signal: ended.signal });
  try {
    return await new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
  } finally {
    ended.abort();
  }
}
