import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { bulkhead } from 'cockatiel';
import type { ProjectionTier } from '../../../projections/tier';
import type { GateResult } from './certificate';
import { sqlFor } from './part-sql';
import { shuffled } from './sampled-streams';
import { shadowRequests } from './shadow-requests';
import type { Side } from './side';
import type { SnapshotPart } from './snapshot-part';

/** A query API that reads what is proved, and the key that lets an operator read as any tenant there. */
export interface ShadowReadsOptions {
  /** Such as `http://127.0.0.1:4002`. */
  readonly queryApiUrl: string;
  /** MAILFOLD_ADMIN_KEY. */
  readonly adminKey: string;
  /** How many requests; default 60. */
  readonly requests?: number;
}

export interface ShadowReadsInput {
  readonly tier: ProjectionTier;
  readonly left: ReadableSide;
  readonly right: ReadableSide;
  readonly rightParts: readonly SnapshotPart[];
  readonly position: bigint;
  readonly seed: number;
  readonly signal: AbortSignal;
  /** Some values are meant to differ: answers that show others are no fault, and no proof either. */
  readonly isDifferenceExpected: boolean;
}

/** A query API reads a tenant that is pinned where it is pinned, and nowhere else. */
type ReadableSide = Exclude<Side, 'by-slots'>;

interface Request {
  readonly tenantId: string;
  readonly path: string;
}

interface Answer {
  readonly status: number;
  readonly sha256: string;
  readonly readAt: string | null;
  readonly ms: number;
}

const triesMax = 6;
/** Doubles from try to try: what differs for a write between two reads mostly agrees at once. */
const retryPauseMinMs = 20;
/** Each of them is asked of one side after the other. */
const requestsAtOnce = 4;
const timeoutMs = 15_000;
const linesMax = 20;
/** Not now, says the query API: no answer, so nothing to hold against the other. */
const busy = 503;

export function shadowReadsNotRun(reason: string): GateResult {
  return { gate: 'shadow-reads', holds: null, measured: {}, detail: [`not run: ${reason}`] };
}

/**
 * Gate 5: the query API gives the same answers from both sides, byte for byte. Both must have reached the position; what
 * is written meanwhile makes answers of different moments differ, so two are held against each other only if they were
 * read at one. Nothing but GET is sent.
 */
export async function provesShadowReads(
  input: ShadowReadsInput,
  options: ShadowReadsOptions,
): Promise<GateResult> {
  const requests = await sampleOf(input, options.requests ?? 60);
  if (requests.length === 0)
    return shadowReadsNotRun(`no route reads rows of ${input.tier.tier} that are there`);
  const times: Record<'left' | 'right', number[]> = { left: [], right: [] };
  const wrong: string[] = [];
  const different: string[] = [];
  let unsettled = 0;
  for (const { request, left, right } of await answersTo(requests, input, options)) {
    times.left.push(left.ms);
    times.right.push(right.ms);
    const isSame = left.status === right.status && left.sha256 === right.sha256;
    if (left.status === busy || right.status === busy) unsettled += 1;
    else if (left.status >= 400) wrong.push(`${request.path}: the left answers ${left.status}`);
    else if (right.status >= 400) wrong.push(`${request.path}: the right answers ${right.status}`);
    else if (!isSame && left.readAt === right.readAt) different.push(`${request.path}: the answers differ`);
    else if (!isSame) unsettled += 1;
  }
  if (!input.isDifferenceExpected) wrong.push(...different.splice(0));
  const [p95Left, p95Right] = [p95(times.left), p95(times.right)];
  return {
    gate: 'shadow-reads',
    holds: outcomeOf(wrong.length, different.length, unsettled < requests.length),
    measured: {
      ...{ requests: requests.length, wrong: wrong.length, different: different.length, unsettled },
      p95Ms: [p95Left, p95Right].map((ms) => Math.round(ms * 10) / 10),
      p95Ratio: Math.round((100 * p95Right) / p95Left) / 100,
    },
    detail: [
      ...(different.length === 0 ? [] : ['undecided: values are expected to differ, and answers do']),
      ...[...wrong, ...different].slice(0, linesMax),
    ],
  };
}

/** Null: the answers do not tell. */
function outcomeOf(wrong: number, different: number, isAnySettled: boolean): boolean | null {
  if (wrong > 0 || !isAnySettled) return false;
  return different > 0 ? null : true;
}

async function sampleOf({ tier, rightParts, seed }: ShadowReadsInput, count: number): Promise<Request[]> {
  const found = new Map<string, Request>();
  for (const sql of shadowRequests.get(tier.tier) ?? [])
    for (const part of rightParts) {
      const { rows } = await part.snapshot.read((client) =>
        client.query<{ tenant_id: string; path: string }>(sqlFor(tier, part, sql), [seed, count]),
      );
      for (const { tenant_id: tenantId, path } of rows) found.set(`${tenantId} ${path}`, { tenantId, path });
    }
  return shuffled([...found.keys()], seed)
    .slice(0, count)
    .flatMap((name) => found.get(name) ?? []);
}

interface Answers {
  readonly request: Request;
  readonly left: Answer;
  readonly right: Answer;
}

/** A request that fails ends those that are under way. */
async function answersTo(
  requests: readonly Request[],
  input: ShadowReadsInput,
  options: ShadowReadsOptions,
): Promise<Answers[]> {
  const failed = new AbortController();
  const signal = AbortSignal.any([input.signal, failed.signal]);
  const turns = bulkhead(requestsAtOnce, Number.POSITIVE_INFINITY);
  const ask = (request: Request, index: number): Promise<Answers> =>
    turns.execute(async () => {
      signal.throwIfAborted();
      const [left, right] = await settledAnswers({ ...input, signal }, options, request, index % 2 === 0);
      return { request, left, right };
    });
  try {
    return await Promise.all(requests.map(ask));
  } finally {
    failed.abort();
  }
}

/** Until both were read at one position and agree, or that has been tried often enough. */
async function settledAnswers(
  input: ShadowReadsInput,
  options: ShadowReadsOptions,
  request: Request,
  isLeftFirst: boolean,
): Promise<[Answer, Answer]> {
  const ask = (side: ReadableSide) => answerOf(input, options, request, side);
  for (let tries = 1; ; tries++) {
    // Whoever is asked first finds the caches cold.
    const first = await ask(isLeftFirst ? input.left : input.right);
    const second = await ask(isLeftFirst ? input.right : input.left);
    const isSame = first.status === second.status && first.sha256 === second.sha256 && first.status < 400;
    if (isSame || tries === triesMax) return isLeftFirst ? [first, second] : [second, first];
    await delay(retryPauseMinMs * 2 ** (tries - 1), undefined, { signal: input.signal });
  }
}

async function answerOf(
  { tier, position, signal }: ShadowReadsInput,
  { queryApiUrl, adminKey }: ShadowReadsOptions,
  { tenantId, path }: Request,
  side: ReadableSide,
): Promise<Answer> {
  const headers = {
    ...{ authorization: `Bearer ${adminKey}`, 'x-tenant-id': tenantId },
    'x-read-after': position.toString(),
    ...(side === 'serving' ? {} : { 'x-read-generation': `${tier.tier}:${side.generation}` }),
  };
  const since = performance.now();
  const response = await fetch(new URL(path, queryApiUrl), {
    headers,
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  });
  const body = Buffer.from(await response.arrayBuffer());
  return {
    status: response.status,
    sha256: createHash('sha256').update(body).digest('hex'),
    readAt: response.headers.get('x-read-model-position'),
    ms: performance.now() - since,
  };
}

function p95(times: readonly number[]): number {
  const sorted = [...times].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(0.95 * sorted.length) - 1)] ?? 0;
}
