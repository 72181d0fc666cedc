import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { samplePath } from '../../apps/dev/demo-sample';
import type { WholeSystem } from './whole-system';

export interface MailfoldRun {
  readonly exitCode: number | null;
  readonly records: readonly Record<string, unknown>[];
  readonly stderr: string;
}

export interface MailfoldOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Told of every document the command prints, as it prints it. */
  readonly onRecord?: (record: Record<string, unknown>) => void;
  /** Handed the means to interrupt it. */
  readonly onStart?: (kill: (signal: NodeJS.Signals) => void) => void;
  readonly onStderr?: (text: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** A rebuild under test does not give way to the test files beside it, or it would wait for their end. */
const beside = { REBUILD_NICENESS: '0' };

/** Runs `mailfold --json <args>` from dist/ to its end. */
export async function mailfold(args: readonly string[], options: MailfoldOptions): Promise<MailfoldRun> {
  const { env, onRecord = () => undefined, onStderr = () => undefined } = options;
  const child = spawn(process.execPath, [resolve('dist/apps/mailfold/main.js'), '--json', ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...beside, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  options.onStart?.((signal) => child.kill(signal));
  const records: Record<string, unknown>[] = [];
  let unfinished = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = (unfinished + text).split('\n');
    unfinished = lines.pop() ?? '';
    for (const line of lines) {
      const record = JSON.parse(line) as Record<string, unknown>;
      records.push(record);
      onRecord(record);
    }
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    onStderr(stderr, (signal) => child.kill(signal));
  });
  const exitCode = await new Promise<number | null>((done) => child.on('close', done));
  return { exitCode, records, stderr };
}

export interface ImportedMail {
  readonly type: 'mail';
  readonly name: string;
  readonly sha256: string;
  readonly outcome: 'accepted' | 'duplicate' | 'parked' | 'failed';
  readonly messageId: string;
  readonly reason?: string;
}

export function importedMails({ records }: MailfoldRun): ImportedMail[] {
  return records.filter(({ type }) => type === 'mail') as unknown as ImportedMail[];
}

/** Fills a new mailbox of the system with the sample mails, by `mailfold import`. */
export async function importSample(system: WholeSystem): Promise<void> {
  const mailboxId = await system.createMailbox();
  const { exitCode } = await mailfold(['import', samplePath(), '--mailbox', mailboxId], {
    env: system.cliEnvironment,
  });
  expect(exitCode).toBe(0);
}
