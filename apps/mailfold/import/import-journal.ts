import { appendFileSync, closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
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

/** Nothing is remembered without a journal; a second run then relies on the server to recognise duplicates. */
export const noJournal: ImportJournal = { has: () => false, add: () => undefined, close: () => undefined };

/**
 * Opens or creates the journal at `path`. A last line that a crash cut short is ignored: its mail is sent again and
 * answered from its Idempotency-Key. Throws {@link CommandFailure} when a line in the middle is not of a journal.
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
  const text = readFileSync(path, 'utf8');
  const lines = text.split('\n');
  const torn = lines.pop() !== '';
  if (torn) appendFileSync(path, '\n');
  lines.forEach((line, index) => {
    const entry = parseEntry(line);
    if (entry) {
      if (entry.mailboxId === mailboxId) done.add(`${entry.sha256} ${entry.name}`);
    } else if (line !== '' && index < lines.length - 1 && !isTornEarlier(line)) {
      throw new CommandFailure(
        `${path} is not an import journal: line ${index + 1} is not one of its entries`,
      );
    }
  });
  return done;
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

/** The rest of a line that was cut short in an earlier crash and closed by the run after it. */
function isTornEarlier(line: string): boolean {
  return line.startsWith('{"mailboxId"');
}
