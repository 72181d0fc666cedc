import { CommandFailure, exitCodes } from '../command-run';
import { findMail, type MailFile, type SkippedFile } from './find-mail';
import type { ImportJournal } from './import-journal';
import { readMessages, type ReadMessage } from './read-messages';
import type { Upload, UploadResult } from './upload-message';

export type ImportedItem = { readonly name: string; readonly sha256: string } & (
  UploadResult | { readonly outcome: 'resumed' }
);

export interface ImportCounts {
  accepted: number;
  duplicate: number;
  parked: number;
  failed: number;
  /** Done by an earlier run, by its journal. */
  resumed: number;
  /** Files that are not mail, and what could not be read. */
  skipped: number;
  bytes: number;
  /** Of the log, when everything this run has sent is in: `?after=` it to read it; `null` when nothing was sent. */
  position: bigint | null;
}

export interface MailFound {
  readonly files: readonly MailFile[];
  readonly skipped: readonly SkippedFile[];
  readonly totalBytes: number;
}

/** Walks `root` before anything is sent, so that the progress knows its end. Throws {@link CommandFailure} without mail. */
export async function mailAt(root: string): Promise<MailFound> {
  const files: MailFile[] = [];
  const skipped: SkippedFile[] = [];
  try {
    for await (const found of findMail(root)) {
      if ('skipped' in found) skipped.push(found);
      else files.push(found);
    }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    throw new CommandFailure(`cannot read ${root} (${code})`, exitCodes.usage);
  }
  return { files, skipped, totalBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0) };
}

export interface ImportRun {
  readonly found: MailFound;
  readonly upload: (upload: Upload) => Promise<UploadResult>;
  readonly journal: ImportJournal;
  readonly concurrency: number;
  readonly signal: AbortSignal;
  readonly onItem: (item: ImportedItem, counts: Readonly<ImportCounts>) => void;
}

/**
 * Sends every mail found, `concurrency` at a time; at most that many are in memory. Ends early, with the counts so far,
 * when the signal aborts. A failure that concerns all mails ends it by throwing, after the requests under way.
 */
export async function importMail(run: ImportRun): Promise<ImportCounts> {
  const counts: ImportCounts = {
    accepted: 0,
    duplicate: 0,
    parked: 0,
    failed: 0,
    resumed: 0,
    skipped: run.found.skipped.length,
    bytes: 0,
    position: null,
  };
  const messages = messagesOf(run.found.files);
  const stop = new AbortController();
  const worker = async (): Promise<void> => {
    while (!run.signal.aborted && !stop.signal.aborted) {
      const next = await messages.next();
      if (next.done) return;
      try {
        await importOne(run, next.value, counts);
      } catch (error) {
        stop.abort();
        // Told to stop by Ctrl-C while it waited for the server: this mail counts as not yet imported.
        if (!run.signal.aborted || error instanceof CommandFailure) throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: run.concurrency }, worker));
  await messages.return(undefined);
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
  return counts;
}

async function* messagesOf(
  files: readonly MailFile[],
): AsyncGenerator<ReadMessage | { name: string; unreadable: string }> {
  for (const file of files) yield* readMessages(file);
}

async function importOne(
  run: ImportRun,
  message: ReadMessage | { name: string; unreadable: string },
  counts: ImportCounts,
): Promise<void> {
  const { name } = message;
  if ('unreadable' in message) {
    counts.failed += 1;
    run.onItem({ name, sha256: '', outcome: 'failed', reason: message.unreadable }, counts);
    return;
  }
  const { sha256 } = message;
  if (run.journal.has(name, sha256)) {
    counts.resumed += 1;
    counts.bytes += message.fileBytes;
    run.onItem({ name, sha256, outcome: 'resumed' }, counts);
    return;
  }
  const result = await run.upload(message);
  if (result.outcome !== 'failed') {
    run.journal.add({ name, sha256, outcome: result.outcome, messageId: result.messageId });
    if (counts.position === null || result.position > counts.position) counts.position = result.position;
  }
  counts[result.outcome] += 1;
  counts.bytes += message.fileBytes;
  run.onItem({ name, sha256, ...result }, counts);
}
