import { MessagePort } from 'node:worker_threads';
import { parseMail } from './parse-mail';
import { MailParseResult } from './parsed-mail';

export interface ParseTask {
  raw: Uint8Array;
  /** Told once, when a thread takes the task up: waiting in the queue is not time spent on the mail. */
  started: MessagePort;
}

/** What a worker thread of mail-parser.ts runs. */
export default async function parseInThread({ raw, started }: ParseTask): Promise<MailParseResult> {
  started.postMessage(null);
  return parseMail(raw);
}
