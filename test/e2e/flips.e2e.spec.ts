import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { loadDevEnvironment } from '../../apps/shared/config/dev-environment';
import { tierDatabaseUrls } from '../../apps/shared/config/tier-databases';
import { allSlots, divided } from '../../apps/shared/generations/coverage';
import { cutOver } from '../../apps/shared/generations/cut-over';
import {
  createGeneration,
  databaseRefOf,
  startTailing,
  type DatabaseUrls,
} from '../../apps/shared/generations/generations';
import { readPlacement, type Move } from '../../apps/shared/generations/placement';
import { parseApiKey } from '../../apps/shared/http/api-key';
import { createPool } from '../../apps/shared/postgres/pool';
import { startTestPostgres, type TestPostgres } from '../support/postgres';
import { quantile, readAlong, type ReadPlan, type Seen } from './flip-readers';
import { WholeSystem } from './whole-system';

/**
 * `FLIPS=full` is the form of issue 5: 10,000 reads across 100 flips. The short one runs with all tests. A machine that does
 * other work beside stalls by itself, so the bound is what the same reads take without flips, and 20 ms where that is less.
 */
const isFull = process.env['FLIPS'] === 'full';
const flips = isFull ? 100 : 10;
const reads = isFull ? 10_000 : 1_000;
const secondDatabase = 'OLTP_DATABASE_URL_B';
const stallMaxMs = 20;
const noise = 3;
/** Reads that begin so long after a switch are the first to read what serves now. */
const afterFlipMs = 100;

describe('a tier that is switched to and fro', () => {
  const ending = new AbortController();
  let postgres: TestPostgres;
  let system: WholeSystem;
  let env: Record<string, string>;
  let control: Pool;
  let urls: DatabaseUrls;
  let plan: ReadPlan;
  let writing: Promise<number>;
  let second: number;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    system = await WholeSystem.start({ [secondDatabase]: await postgres.createDatabase() });
    const variables: NodeJS.ProcessEnv = {};
    loadDevEnvironment(system.dataDir, variables);
    env = variables as Record<string, string>;
    urls = tierDatabaseUrls(env);
    control = createPool(env['CONTROL_DATABASE_URL'] ?? '', {
      ...{ applicationName: 'test', maxConnections: 2, statementTimeoutMs: 5_000 },
      ...{ queryTimeoutMs: 6_000, connectionTimeoutMs: 5_000 },
    });
    const mailboxId = await system.createMailbox();
    for (let n = 0; n < 30; n++) await send(mailboxId, `thread-${n}`, 0);
    const position = await send(mailboxId, 'thread-0', 1);
    const [conversation] = await system.conversationsOf(mailboxId, position);
    plan = {
      ...{ origin: env['QUERY_API_URL'] ?? '', apiKey: env['MAILFOLD_API_KEY'] ?? '', clients: 4 },
      paths: [
        '/v1/conversations?limit=20',
        `/v1/conversations/${conversation?.id}?limit=20`,
        `/v1/conversations?mailboxId=${mailboxId}&limit=5`,
        '/v1/users',
        '/v1/agents/stats',
      ],
      pauseMs: 15,
    };
    ({ generation: second } = await createGeneration(control, urls, 'oltp', {
      ...{ codeVersion: '0', kind: 'repartition' },
      targets: divided(allSlots, 2).map((slots, shard) => ({
        databaseRef: shard === 0 ? databaseRefOf('oltp') : secondDatabase,
        coverage: { slots, tenantId: null },
      })),
    }));
    await startTailing(control, 'oltp', second);
    writing = keepWriting(mailboxId);
  });

  afterAll(async () => {
    ending.abort();
    await writing;
    await control?.end();
    await system?.stop();
    await postgres?.stop();
  });

  /** Resolves to the position of the log where the mail is. */
  async function send(mailboxId: string, thread: string, n: number): Promise<string> {
    const response = await fetch(`${env['COMMAND_API_URL']}/v1/mailboxes/${mailboxId}/messages`, {
      method: 'POST',
      headers: { authorization: `Bearer ${env['MAILFOLD_API_KEY']}`, 'content-type': 'message/rfc822' },
      body: [
        ...['From: Ada <ada@example.com>', 'To: test@example.com', `Subject: ${thread}`],
        `Message-ID: <${thread}-${n}@example.com>`,
        ...(n === 0 ? [] : [`References: <${thread}-0@example.com>`]),
        ...['', 'Is anyone there?', ''],
      ].join('\r\n'),
    });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`A mail was answered with ${response.status}`);
    return response.headers.get('x-log-position') ?? '0';
  }

  /** Ten mails a second into one conversation, each read back at once. Resolves to the longest wait for one, ms. */
  async function keepWriting(mailboxId: string): Promise<number> {
    let longestMs = 0;
    for (let n = 2; !ending.signal.aborted; n++) {
      const position = await send(mailboxId, 'thread-0', n);
      const startedAt = performance.now();
      await system.readBytes(plan.paths[0] ?? '', position);
      longestMs = Math.max(longestMs, performance.now() - startedAt);
      await delay(100);
    }
    return longestMs;
  }

  /** The whole tier, stretches of slots, and the tenant, from one generation to the other. */
  function movesOf(flip: number): Move[] {
    const { tenantId } = parseApiKey(env['MAILFOLD_API_KEY'] ?? '') ?? { tenantId: '' };
    const to = flip % 2 === 0 ? second : 1;
    switch (flip % 5) {
      case 0:
      case 1:
        return [{ slots: allSlots, to }];
      case 2:
        return [{ slots: { from: 7 * flip, to: 7 * flip + 2_000 }, to }];
      case 3:
        return [{ tenantId, to: 1 }];
      default:
        return [{ tenantId, to: null }];
    }
  }

  /** Resolves to the moments of the switches, on the clock of `performance`. */
  async function flipAll(): Promise<number[]> {
    const moments: number[] = [];
    for (let flip = 0; flip < flips; flip++) {
      const { epoch } = await readPlacement(control, 'oltp');
      const { signal } = ending;
      const { epoch: next } = await cutOver({
        control,
        urls,
        tier: 'oltp',
        moves: movesOf(flip),
        epoch,
        signal,
      });
      const { rows } = await control.query<{ at: Date }>(
        `select max(switched_at) as at from (select switched_at, epoch, tier from pointers
           union all select switched_at, epoch, tier from tenant_pointers) p where tier = 'oltp' and epoch = $1`,
        [next],
      );
      moments.push((rows[0]?.at.getTime() ?? 0) - performance.timeOrigin);
    }
    return moments;
  }

  it(`answers ${reads} reads across ${flips} flips without an error, a step back or a stall`, async () => {
    // Until everything was read once, neither side is what it will be.
    await readAlong(plan, (count) => count >= 100);
    const still = await readAlong(plan, (count) => count >= reads);
    let isFlipping = true;
    const flipping = flipAll().finally(() => (isFlipping = false));
    const flipped = await readAlong(plan, (count) => !isFlipping && count >= reads);
    const moments = await flipping;
    const atFlips = flipped.reads.filter(({ startedAt, ms }) =>
      moments.some((moment) => startedAt + ms > moment && startedAt < moment + afterFlipMs),
    );
    const figures = {
      still: figuresOf(still.reads),
      flipped: figuresOf(flipped.reads),
      atFlips: figuresOf(atFlips),
    };
    if (isFull) process.stderr.write(`${JSON.stringify(figures)}\n`);
    expect([still.faults, flipped.faults]).toEqual([[], []]);
    expect(flipped.reads.length).toBeGreaterThanOrEqual(reads);
    expect(atFlips.length).toBeGreaterThanOrEqual(flips);
    const bound = Math.max(stallMaxMs, noise * figures.still.max);
    const stalls = flipped.reads.filter(({ ms }) => ms > bound);
    expect({ ...figures, stalls }).toEqual({ ...figures, stalls: [] });
  }, 600_000);
});

function figuresOf(all: Seen['reads']): Record<'reads' | 'p50' | 'p99' | 'max', number> {
  const latencies = all.map(({ ms }) => ms);
  const [p50 = 0, p99 = 0, max = 0] = [0.5, 0.99, 1].map((share) => quantile(latencies, share));
  const rounded = (ms: number): number => Math.round(10 * ms) / 10;
  return { reads: latencies.length, p50: rounded(p50), p99: rounded(p99), max: rounded(max) };
}
