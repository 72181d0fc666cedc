import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { UnexpectedAnswer } from './demo-expectation';

export type CliRecord = Readonly<Record<string, unknown>>;

/** Runs `mailfold <args> --json` as a process of its own; resolves to the documents it printed. `onNotice` hears its stderr. */
export async function runMailfold(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
  onNotice: (text: string) => void = () => undefined,
): Promise<CliRecord[]> {
  const child = spawn(process.execPath, [join(__dirname, '..', 'mailfold', 'main.js'), '--json', ...args], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    onNotice(text);
  });
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (exitCode !== 0)
    throw new UnexpectedAnswer(`mailfold ${args.join(' ')}: ${stderr.trim()}`, 'exit code 0', exitCode);
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as CliRecord);
}
