import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import { CommandFailure } from '../command-run';

interface JournalEntry {
  readonly mailboxId: string;
  readonly name: string;
  readonly sha256: string;
  readonly outcome: string;
}

/** What an earlier run has finished: one JSON line per mail, appended when the server has answered for it. */
export interface ImportJournal {
  has(name: string, sha256: string): boolean;
  add(entry: { name: string; sha256: string; outcome: string; messageId: string }): void;
  close(): void;
}

const entryStart = '{"mailboxId":"';

/** Nothing is remembered without a journal; a second run then relies on the server to recognise duplicates. */
export const noJournal: ImportJournal = { has: () => false, add: () => undefined, close: () => undefined };

/**
 * Opens or creates the journal at `path`. A last line that a crash cut short is ignored: its mail is sent again and
 * answered from its Idempotency-Key. Throws {@link CommandFailure} when the file is no journal.
 */
export function openJournal(path: string, mailboxId: string): ImportJournal {
  const done = readDone(path, mailboxId);
  const file = openSync(path, 'a', 0o600);
  return {
    has: (name, sha256) => done.has(`${sha256} ${name}`),
    add: (entry) => void writeSync(file, `${JSON.stringify({ mailboxId, ...entry })}\n`),
    close: () => closeSync(file),
  };
}

function readDone(path: string, mailboxId: string): Set<string> {
  const done = new Set<string>();
  if (!existsSync(path)) return done;
  const bytes = readFileSync(path);
  const end = bytes.lastIndexOf('\n') + 1;
  bytes
    .toString('utf8', 0, end)
    .split('\n')
    .slice(0, -1)
    .forEach((line, index) => {
      const entry = parseEntry(line);
      if (!entry) throw notAJournal(path, index + 1);
      if (entry.mailboxId === mailboxId) done.add(`${entry.sha256} ${entry.name}`);
    });
  const torn = bytes.toString('utf8', end);
  // Whatever else a user names by mistake must not lose its end.
  if (!torn.startsWith(entryStart) && !entryStart.startsWith(torn)) throw notAJournal(path, done.size + 1);
  truncateSync(path, end);
  return done;
}

function notAJournal(path: string, line: number): CommandFailure {
  return new CommandFailure(`${path} is not an import journal: line ${line} is not one of its entries`);
}

function parseEntry(line: string): JournalEntry | null {
  try {
    const entry = JSON.parse(line) as Partial<JournalEntry> | null;
    return typeof entry?.sha256 === 'string' && typeof entry.name === 'string'
      ? (entry as JournalEntry)
      : null;
  } catch {
    return null;
  }
}
