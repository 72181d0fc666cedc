import { DelegateBackoff, handleWhen, retry, type IRetryBackoffContext } from 'cockatiel';
import { createHash } from 'node:crypto';
import { CommandFailure, exitCodes } from '../command-run';

/** With the log position that covers it, for reads that must show it. */
interface Answered {
  readonly messageId: string;
  readonly position: bigint;
}

export type UploadResult =
  | (Answered & { readonly outcome: 'accepted' | 'duplicate'; readonly conversationId: string })
  | (Answered & { readonly outcome: 'parked'; readonly reason: string; readonly detail: string })
  | { readonly outcome: 'failed'; readonly reason: string };

export interface Upload {
  readonly name: string;
  readonly raw: Buffer;
  readonly sha256: string;
  /** ISO-8601; when the mail reached its old mailbox, `null` where it does not say. */
  readonly receivedAt: string | null;
}

export interface UploaderOptions {
  readonly url: string;
  readonly apiKey: string;
  readonly mailboxId: string;
  readonly signal: AbortSignal;
  /** Told when the server cannot be reached or is busy, and the mail waits for its next try. */
  readonly onWaiting: (reason: string) => void;
  readonly giveUpAfterMs?: number;
}

const requestTimeoutMs = 60_000;
const interruptedGraceMs = 5_000;
const giveUpAfterMsDefault = 5 * 60_000;

/** The server cannot answer now and said nothing about the mail; the same request may be sent again. */
class TryAgain extends Error {
  constructor(
    message: string,
    readonly retryAfterMs: number,
  ) {
    super(message);
  }
}

/**
 * Sends mails to one mailbox. A try that got no answer is repeated under the same Idempotency-Key until the server
 * answers, so a restart of any process loses and doubles nothing. `failed` means: this mail, refused for good.
 * Throws {@link CommandFailure} when every mail would fare the same: wrong key, no such mailbox, no server for 5 min.
 */
export function createUploader(options: UploaderOptions): (upload: Upload) => Promise<UploadResult> {
  const { signal, onWaiting, giveUpAfterMs = giveUpAfterMsDefault } = options;
  const cutOff = afterGrace(signal);
  return async (upload) => {
    const deadline = Date.now() + giveUpAfterMs;
    const policy = retry(
      handleWhen((error) => error instanceof TryAgain && !signal.aborted && Date.now() < deadline),
      { maxAttempts: Number.POSITIVE_INFINITY, backoff: new DelegateBackoff(nextDelayMs) },
    );
    policy.onRetry((event) => onWaiting('error' in event ? event.error.message : 'no answer'));
    try {
      return await policy.execute(() => send(options, upload, cutOff), signal);
    } catch (error) {
      if (error instanceof TryAgain && !signal.aborted)
        throw new CommandFailure(
          `gave up after ${giveUpAfterMs / 1_000} s: ${error.message}; run the same command again to go on`,
        );
      throw error;
    }
  };
}

/** Full jitter up to 5 s, and never earlier than the server asked for. */
function nextDelayMs({ attempt, result }: IRetryBackoffContext<unknown>): number {
  const asked = 'error' in result && result.error instanceof TryAgain ? result.error.retryAfterMs : 0;
  return asked + Math.ceil(Math.random() * Math.min(5_000, 100 * 2 ** attempt));
}

async function send(options: UploaderOptions, upload: Upload, cutOff: AbortSignal): Promise<UploadResult> {
  let response: Response;
  let body: string;
  try {
    response = await fetch(`${options.url}/v1/mailboxes/${options.mailboxId}/messages`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${options.apiKey}`,
        'content-type': 'message/rfc822',
        'idempotency-key': idempotencyKey(upload),
        ...(upload.receivedAt === null ? {} : { 'x-received-at': upload.receivedAt }),
      },
      body: upload.raw,
      signal: AbortSignal.any([AbortSignal.timeout(requestTimeoutMs), cutOff]),
    });
    body = await response.text();
  } catch (error) {
    throw new TryAgain(`${options.url} does not answer (${causeOf(error)})`, 0);
  }
  return resultOf(options, response, body);
}

/**
 * From the content and the place it was found at: a repeated run is answered from it, while a second copy of the same
 * bytes elsewhere is a request of its own and is told that it is a duplicate.
 */
function idempotencyKey({ name, sha256 }: Upload): string {
  return `import-${createHash('sha256').update(`${sha256} ${name}`).digest('hex')}`;
}

function resultOf(options: UploaderOptions, response: Response, body: string): UploadResult {
  const answer = parsedObject(body);
  const problem = [answer['title'], answer['detail']].filter((text) => typeof text === 'string').join(': ');
  switch (response.status) {
    case 200:
    case 201:
    case 202:
      return answered(answer, positionOf(response), options.url);
    case 401:
      throw new CommandFailure('the API key is not accepted (401); set MAILFOLD_API_KEY', exitCodes.usage);
    case 404:
      throw new CommandFailure(
        `there is no mailbox ${options.mailboxId} for this API key (404)`,
        exitCodes.usage,
      );
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
      throw new TryAgain(`${options.url} is busy (${response.status} ${problem})`, retryAfterMs(response));
    default:
      return { outcome: 'failed', reason: `${response.status} ${problem || response.statusText}`.trim() };
  }
}

function answered(answer: Record<string, unknown>, position: bigint | null, url: string): UploadResult {
  const { outcome, messageId, conversationId, reason, detail } = answer;
  if (typeof messageId === 'string' && position !== null) {
    const known = { messageId, position };
    if (outcome === 'parked')
      return { ...known, outcome, reason: textOr(reason, 'unknown'), detail: textOr(detail, '') };
    if ((outcome === 'accepted' || outcome === 'duplicate') && typeof conversationId === 'string')
      return { ...known, outcome, conversationId };
  }
  throw new CommandFailure(`${url} answers, but not as a Mailfold command API does`);
}

function positionOf(response: Response): bigint | null {
  const position = response.headers.get('x-log-position') ?? '';
  return /^\d{1,20}$/.test(position) ? BigInt(position) : null;
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}

function parsedObject(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function retryAfterMs(response: Response): number {
  const seconds = Number(response.headers.get('retry-after') ?? '0');
  return Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 30) * 1_000 : 0;
}

/** Node's fetch says "fetch failed" and keeps the reason in its cause. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return String(cause);
  const code = (cause as NodeJS.ErrnoException).code;
  return typeof code === 'string' ? code : cause.message || cause.name;
}

/** After Ctrl-C a request under way may still end well, but not for ever. */
function afterGrace(signal: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const start = (): void => void setTimeout(() => controller.abort(), interruptedGraceMs).unref();
  if (signal.aborted) start();
  else signal.addEventListener('abort', start, { once: true });
  return controller.signal;
}
