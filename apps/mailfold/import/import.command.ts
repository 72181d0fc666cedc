import { z } from 'zod';
import { loadConfig } from '../../shared/config/load-config';
import { CommandFailure, exitCodes, type CommandContext } from '../command-run';
import { duration, groupedDigits, plural, type Output } from '../output';
import { createProgress, type Progress } from '../progress';
import { noJournal, openJournal } from './import-journal';
import { importMail, mailAt, type ImportCounts, type ImportedItem, type MailFound } from './import-mail';
import { createUploader } from './upload-message';

export interface ImportOptions {
  readonly mailbox: string;
  readonly url?: string;
  readonly concurrency: number;
  readonly journal?: string;
  readonly verbose?: boolean;
}

const variables = z.object({
  MAILFOLD_API_KEY: z.string().regex(/^mf_[0-9a-f]{32}_[\w-]{43}$/, 'must be an API key, mf_…'),
  COMMAND_API_URL: z.url().default('http://127.0.0.1:4001'),
});
const waitingNoticeIntervalMs = 5_000;
const problemsShownMax = 20;

/** `mailfold import`: 0 when every mail got an answer, 1 when some failed or could not be read, 130 when interrupted. */
export async function importCommand(
  path: string,
  options: ImportOptions,
  { output, signal, onEnd }: CommandContext,
): Promise<number> {
  const config = loadConfig(variables, {
    ...process.env,
    ...(options.url === undefined ? {} : { COMMAND_API_URL: options.url }),
  });
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(options.mailbox))
    throw new CommandFailure('--mailbox takes the id of a mailbox, a uuid', exitCodes.usage);
  const found = await mailAt(path);
  for (const { name, skipped } of found.skipped) output.record({ type: 'skipped', name, reason: skipped });
  if (found.files.length === 0) throw new CommandFailure(`no mail found in ${path}`);
  const journal = options.journal === undefined ? noJournal : openJournal(options.journal, options.mailbox);
  onEnd(() => journal.close());
  const progress = createProgress('Importing', 'mails');
  onEnd(() => progress.stop());
  const startedAt = Date.now();
  const problems: ImportedItem[] = [];
  const upload = createUploader({
    url: config.COMMAND_API_URL.replace(/\/+$/, ''),
    apiKey: config.MAILFOLD_API_KEY,
    mailboxId: options.mailbox,
    signal,
    onWaiting: throttled((reason) => progress.say(`Waiting: ${reason}`)),
  });
  const counts = await importMail({
    found,
    upload,
    journal,
    concurrency: options.concurrency,
    signal,
    onItem: (item, soFar) => {
      show(item, output, progress, options.verbose === true);
      if ('reason' in item && problems.length < problemsShownMax) problems.push(item);
      progress.update({ done: soFar.bytes, total: found.totalBytes, count: answered(soFar) });
    },
  });
  if (!signal.aborted)
    progress.update({ done: found.totalBytes, total: found.totalBytes, count: answered(counts) });
  progress.stop();
  summarise(output, found, counts, problems, (Date.now() - startedAt) / 1_000);
  if (signal.aborted) return tellHowToResume(output, options);
  const isComplete = counts.failed === 0 && !found.skipped.some(({ unreadable }) => unreadable);
  return isComplete ? exitCodes.done : exitCodes.failed;
}

function show(item: ImportedItem, output: Output, progress: Progress, verbose: boolean): void {
  output.record({ type: 'mail', ...item });
  if (verbose && !output.json) progress.say(`${item.outcome.padEnd(9)}  ${item.name}${reasonOf(item)}`);
}

function reasonOf(item: ImportedItem): string {
  return 'reason' in item ? `  (${item.reason})` : '';
}

function answered(counts: ImportCounts): number {
  return counts.accepted + counts.duplicate + counts.parked + counts.failed + counts.resumed;
}

function summarise(
  output: Output,
  found: MailFound,
  counts: ImportCounts,
  problems: readonly ImportedItem[],
  seconds: number,
): void {
  output.record({ type: 'summary', files: found.files.length, ...counts, seconds });
  output.line(
    `${plural(answered(counts), 'mail')} in ${duration(seconds)}: ` +
      `${groupedDigits(counts.accepted)} accepted, ${groupedDigits(counts.duplicate)} duplicate, ` +
      `${groupedDigits(counts.parked)} parked, ${groupedDigits(counts.failed)} failed` +
      (counts.resumed > 0 ? `, ${groupedDigits(counts.resumed)} done before` : ''),
  );
  for (const item of problems) output.line(`  ${item.outcome}  ${item.name}${reasonOf(item)}`);
  const notShown = counts.parked + counts.failed - problems.length;
  if (notShown > 0) output.line(`  and ${groupedDigits(notShown)} more; --json lists all`);
  if (counts.skipped > 0)
    output.line(`  ${plural(counts.skipped, 'file')} skipped: ${reasonsOf(found)} (--json lists them)`);
}

/** Each reason once: a mail that could not be read must not pass for something that is no mail. */
function reasonsOf({ skipped }: MailFound): string {
  return [...new Set(skipped.map((file) => file.skipped))].sort().join(', ');
}

function tellHowToResume(output: Output, options: ImportOptions): number {
  output.notice(
    options.journal === undefined
      ? 'Interrupted. Run the same command again: what is already in is recognised and not stored twice.'
      : `Interrupted. Run the same command again: it goes on from ${options.journal}.`,
  );
  return exitCodes.interrupted;
}

/** Four uploads that wait for one server have one thing to say. */
function throttled(say: (text: string) => void): (text: string) => void {
  let saidAt = 0;
  return (text) => {
    if (Date.now() - saidAt < waitingNoticeIntervalMs) return;
    saidAt = Date.now();
    say(text);
  };
}
