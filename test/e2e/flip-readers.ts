import { Agent, get } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

/** What a client of one tenant saw, over all its reads. */
export interface Seen {
  /** When each was begun, on the clock of `performance`, and how long it took. */
  readonly reads: readonly { readonly startedAt: number; readonly ms: number }[];
  /** What must never be: an answer other than 200, or one that knows less than an earlier one to the same client. */
  readonly faults: readonly string[];
}

export interface ReadPlan {
  readonly origin: string;
  readonly apiKey: string;
  /** Read in turn. Of an answer with a conversation, the number of its messages must not shrink. */
  readonly paths: readonly string[];
  /** Clients at once, each waiting for its answer and then for the pause. */
  readonly clients: number;
  readonly pauseMs: number;
}

interface Answer {
  readonly status: number;
  readonly position: bigint;
  readonly text: string;
}

/** Reads until `isOver` says so, asked after each read with the number of reads so far. */
export async function readAlong(plan: ReadPlan, isOver: (reads: number) => boolean): Promise<Seen> {
  const reads: { startedAt: number; ms: number }[] = [];
  const faults: string[] = [];
  const agent = new Agent({ keepAlive: true, maxSockets: plan.clients });
  const client = async (n: number): Promise<void> => {
    let furthest = -1n;
    let most = 0;
    for (let turn = n; !isOver(reads.length); turn++) {
      const path = plan.paths[turn % plan.paths.length] ?? '/';
      const startedAt = performance.now();
      const { status, position, text } = await read(agent, plan, path);
      reads.push({ startedAt, ms: performance.now() - startedAt });
      if (status !== 200) faults.push(`${path}: ${status} ${text.slice(0, 200)}`);
      if (position < furthest) faults.push(`${path}: position ${position} after ${furthest}`);
      else furthest = position;
      const messages = Number(/"messageCount" : (\d+)/.exec(text)?.[1] ?? Number.NaN);
      if (messages < most) faults.push(`${path}: ${messages} messages after ${most}`);
      else if (path.startsWith('/v1/conversations/')) most = Math.max(most, messages);
      await delay(plan.pauseMs);
    }
  };
  try {
    await Promise.all(Array.from({ length: plan.clients }, (_, n) => client(n)));
  } finally {
    agent.destroy();
  }
  return { reads, faults };
}

function read(agent: Agent, { origin, apiKey }: ReadPlan, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = get(`${origin}${path}`, { agent, headers: { authorization: `Bearer ${apiKey}` } });
    request.once('error', reject);
    request.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.once('error', reject);
      response.once('end', () => {
        const position = BigInt(String(response.headers['x-read-model-position'] ?? '-1'));
        resolve({ status: response.statusCode ?? 0, position, text });
      });
    });
  });
}

/** The `share` of the values that lies at or below it, 1 for the largest. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
}
