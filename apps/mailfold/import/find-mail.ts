import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

export interface MailFile {
  readonly path: string;
  /** Path below the folder that is imported, with `/`: the same on every machine and at every run. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly format: 'message' | 'mbox';
}

export interface SkippedFile {
  readonly name: string;
  readonly skipped: string;
  /** It may be mail that we were kept from reading. */
  readonly unreadable?: true;
}

const headBytes = 64 * 1_024;
const wellKnownFields = new Set(
  (
    'from,to,cc,bcc,sender,reply-to,subject,date,message-id,in-reply-to,references,received,return-path,delivered-to,' +
    'mime-version,content-type,content-transfer-encoding,resent-from,x-mailer,list-id,auto-submitted'
  ).split(','),
);

/**
 * All mail at `root`, in a fixed order. A file that is named itself is always mail: the server parks what it cannot read.
 * In a folder a file is mail when it is called .eml or .msg, or when its first 64 KiB begin like an mbox or hold a
 * well-known header field; everything else there is reported as skipped, never passed over in silence.
 * Symbolic links below `root` are not followed. Throws what the file system throws for `root` itself.
 */
export async function* findMail(root: string): AsyncGenerator<MailFile | SkippedFile> {
  const stats = await stat(root);
  if (stats.isDirectory()) {
    yield* below(root, '');
  } else {
    const name = basename(root);
    const head = await readHead(root);
    yield { path: root, name, sizeBytes: stats.size, format: isMbox(name, head) ? 'mbox' : 'message' };
  }
}

async function* below(folder: string, prefix: string): AsyncGenerator<MailFile | SkippedFile> {
  const entries = await readdir(folder, { withFileTypes: true });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    const name = prefix + entry.name;
    if (entry.isDirectory()) yield* belowOrSkipped(path, name);
    else if (entry.isFile()) yield await classify(path, name);
    else yield { name, skipped: 'not a regular file' };
  }
}

/** One folder that is closed to us must not keep the rest of the mail out. */
async function* belowOrSkipped(folder: string, name: string): AsyncGenerator<MailFile | SkippedFile> {
  try {
    yield* below(folder, `${name}/`);
  } catch (error) {
    yield unreadable(name, error);
  }
}

async function classify(path: string, name: string): Promise<MailFile | SkippedFile> {
  try {
    const { size: sizeBytes } = await stat(path);
    const head = await readHead(path);
    if (isMbox(name, head)) return { path, name, sizeBytes, format: 'mbox' };
    if (hasMessageName(name) || looksLikeMessage(head)) return { path, name, sizeBytes, format: 'message' };
    return { name, skipped: sizeBytes === 0 ? 'empty' : 'not mail' };
  } catch (error) {
    return unreadable(name, error);
  }
}

function unreadable(name: string, error: unknown): SkippedFile {
  const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
  return { name, skipped: `cannot be read (${code})`, unreadable: true };
}

async function readHead(path: string): Promise<Buffer> {
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read({ buffer: Buffer.alloc(headBytes), position: 0 });
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function hasMessageName(name: string): boolean {
  return /\.(eml|msg)$/i.test(name);
}

/**
 * Told by its first line, which carries a date, so that prose which begins with "From" is none. An .eml that begins so was
 * cut out of an mbox: it is one message, whatever its body quotes.
 */
function isMbox(name: string, head: Buffer): boolean {
  return (
    !hasMessageName(name) && /^From \S.* \d{1,2}:\d{2}.* \d{4}\b/.test(head.toString('latin1', 0, 1_000))
  );
}

/** Lines may end in CR alone, so the header is read in all three forms. */
function looksLikeMessage(head: Buffer): boolean {
  for (const line of head
    .toString('latin1')
    .trimStart()
    .split(/\r\n|\n|\r/)) {
    if (line === '') return false;
    const field = /^([!-9;-~]+)[ \t]*:/.exec(line)?.[1];
    if (field !== undefined && wellKnownFields.has(field.toLowerCase())) return true;
  }
  return false;
}
