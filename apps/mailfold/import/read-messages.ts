import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { splitMbox } from '../../shared/mail/split-mbox';
import type { MailFile } from './find-mail';
import { receivedAtOf, receivedAtOfMboxLine } from './received-at';
import type { Upload } from './upload-message';

export interface ReadMessage extends Upload {
  /** The share of the file that this message is. */
  readonly fileBytes: number;
}

/** Beyond any server's limit; read into memory it would only end this process. */
const messageSizeMaxBytes = 256 * 1_024 * 1_024;

/** The messages of a file, one at a time. Those of an mbox are called `<file>#<offset of its "From " line>`. */
export async function* readMessages(
  file: MailFile,
): AsyncGenerator<ReadMessage | { name: string; unreadable: string }> {
  try {
    if (file.format === 'mbox') yield* readMbox(file);
    else if (file.sizeBytes > messageSizeMaxBytes)
      yield { name: file.name, unreadable: `larger than ${messageSizeMaxBytes} bytes` };
    else yield message(file.name, await readFile(file.path), null);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === undefined) throw error;
    yield { name: file.name, unreadable: `cannot be read (${code})` };
  }
}

async function* readMbox(file: MailFile): AsyncGenerator<ReadMessage> {
  for await (const { raw, offset, nextOffset, fromLine } of splitMbox(createReadStream(file.path))) {
    const receivedAt = receivedAtOfMboxLine(fromLine, new Date());
    const name = `${file.name}#${offset}`;
    yield { ...message(name, Buffer.from(raw), receivedAt), fileBytes: nextOffset - offset };
  }
}

function message(name: string, raw: Buffer, receivedAt: string | null): ReadMessage {
  return {
    name,
    raw,
    sha256: createHash('sha256').update(raw).digest('hex'),
    receivedAt: receivedAt ?? receivedAtOf(raw, new Date()),
    fileBytes: raw.length,
  };
}
