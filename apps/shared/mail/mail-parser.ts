import { join } from 'node:path';
import { MessageChannel, MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { ParkReason } from './mail-caps';
import { parseMail } from './parse-mail';
import type { ParseTask } from './parse-mail.worker';
import type { MailParseResult } from './parsed-mail';

export interface MailParserOptions {
  /** Worker threads, each reading one mail at a time. */
  threads: number;
  /** For one mail, from when a thread takes it up. */
  timeoutMs?: number;
  /**
   * Allowed per MiB on top of that. Reading one takes about 20 ms; the default of 400 ms is room for a busy machine, so
   * that an honest large mail is not parked for its size while a small bomb is still stopped in seconds.
   */
  timePerMebibyteMs?: number;
  /** Heap of one thread. Bytes lie outside of it: they are bounded by mailCaps.messageBytesMax. */
  memoryLimitMb?: number;
  /**
   * Up to this size, bytes, the caller's own thread reads a mail that was read before: the way to another thread and back
   * takes several times as long as such a mail. Default 0: never.
   */
  inPlaceBytesMax?: number;
}

export interface MailParser {
  /**
   * Never rejects for what a mail holds. Rejects once the parser is closed.
   * @param wasRead the door has read these very bytes within its limits of time and memory. Default: nobody knows.
   */
  parse(raw: Uint8Array, wasRead?: boolean): Promise<MailParseResult>;
  /** Ends the threads; mails still being read are abandoned. */
  close(): Promise<void>;
}

/**
 * For readers of the log. A mail in it was read once within the time limit of the door, so a slow machine, not the mail,
 * is what a replay waits for: with the short limit a rebuild could differ from the rows it is to equal.
 */
export const replayParseTimeoutMs = 30_000;

/**
 * The {@link MailParserOptions.inPlaceBytesMax} of bulk readers: most mails. The worst of this size that we could think of,
 * thousands of addresses or of tags, took 50 ms.
 */
export const replayInPlaceBytesMax = 16 * 1024;

/**
 * Reads mails in worker threads, so that no mail can block, exhaust or end the process: a thread that takes too long or
 * too much memory is killed and replaced, and its mail comes back parked. Any caller's thread stays free meanwhile, but for
 * small mails that are known to be harmless, where the caller wants that.
 */
export function createMailParser({
  threads,
  timeoutMs = 2_000,
  timePerMebibyteMs = 400,
  memoryLimitMb = 256,
  inPlaceBytesMax = 0,
}: MailParserOptions): MailParser {
  const startThreads = (): Piscina<ParseTask, MailParseResult> =>
    new Piscina<ParseTask, MailParseResult>({
      filename: workerFile,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      resourceLimits: { maxOldGenerationSizeMb: memoryLimitMb },
    });
  // Who reads most mails in place may never need a thread, and each takes tens of megabytes.
  let pool = inPlaceBytesMax > 0 ? null : startThreads();
  let isClosed = false;

  async function parse(raw: Uint8Array, wasRead = false): Promise<MailParseResult> {
    // The pool itself would start a new thread and keep the process alive.
    if (isClosed) throw new Error('The mail parser is closed');
    if (wasRead && raw.length <= inPlaceBytesMax) return parseMail(raw);
    pool ??= startThreads();
    const killer = new AbortController();
    const { port1: started, port2 } = new MessageChannel();
    const limitMs = timeoutMs + Math.ceil((raw.length / 2 ** 20) * timePerMebibyteMs);
    const stopWatch = abortAfterStart(killer, started, limitMs);
    // A copy: a view into a larger buffer would carry all of that along, and the caller keeps its own bytes.
    const bytes = new Uint8Array(raw);
    try {
      const task = { raw: bytes, started: port2 };
      return await pool.run(task, { transferList: [bytes.buffer, port2], signal: killer.signal });
    } catch (error) {
      return parkedByKill(error, { isTimedOut: killer.signal.aborted, limitMs, memoryLimitMb });
    } finally {
      stopWatch();
    }
  }

  async function close(): Promise<void> {
    isClosed = true;
    await pool?.destroy();
  }

  return { parse, close };
}

// Worker threads load JavaScript only: under Jest, where this file is TypeScript, they take the built one.
const workerFolder = __filename.endsWith('.ts')
  ? join(__dirname, '../../../dist/apps/shared/mail')
  : __dirname;
const workerFile = join(workerFolder, 'parse-mail.worker.js');

function abortAfterStart(killer: AbortController, started: MessagePort, timeoutMs: number): () => void {
  let timer: NodeJS.Timeout | undefined;
  started.once('message', () => {
    timer = setTimeout(() => killer.abort(), timeoutMs);
  });
  return () => {
    clearTimeout(timer);
    started.close();
  };
}

interface KillLimits {
  isTimedOut: boolean;
  limitMs: number;
  memoryLimitMb: number;
}

/** @throws the error itself when it does not come from a limit: the pool is closed, or broken. */
function parkedByKill(error: unknown, { isTimedOut, limitMs, memoryLimitMb }: KillLimits): MailParseResult {
  const parked = (reason: ParkReason, detail: string): MailParseResult => ({
    outcome: 'parked',
    reason,
    detail,
  });
  if (isTimedOut) return parked('parse-timeout', `not read within ${limitMs} ms`);
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ERR_WORKER_OUT_OF_MEMORY')
    return parked('parse-memory', `not read within ${memoryLimitMb} MB of heap`);
  throw error;
}
