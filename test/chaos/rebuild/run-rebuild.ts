import { setTimeout as delay } from 'node:timers/promises';
import { DemoClient } from '../../../apps/dev/demo-client';
import { readContinuously, type ReadsSeen } from '../../../apps/dev/demo-reader';
import { writeContinuously, type WritesDone } from '../../../apps/dev/live-writes';
import type { Random } from '../../../apps/dev/sample-log/random';
import type { Generation } from '../../../apps/shared/generations/generations';
import { queryAsSuperuser } from '../../support/postgres';
import { differingSlots, type SlotDigests } from '../../support/tier-rows';
import {
  interruptedRun,
  type InterruptedRun,
  type Outage,
  type RunToStrike,
  type Strike,
} from './interrupted-run';
import { RebuildSystem } from './rebuild-system';
import { runTool, startTool, type ToolEnded } from './tool';

export interface RebuildRunOptions {
  readonly random: Random;
  readonly events: number;
  readonly runs: readonly RunToStrike[];
  readonly dataDir: string;
  readonly signal: AbortSignal;
  readonly onPhase: (text: string) => void;
  readonly onEvents: (events: number) => void;
}

/** A generation held against the one that serves, slot by slot, where both stand at one position. */
export interface Comparison {
  readonly what: string;
  readonly shards: number;
  readonly slots: number;
  /** `table/slot` of what differs. */
  readonly differing: readonly string[];
}

export interface SecondRun {
  readonly exitCode: number | null;
  readonly seconds: number;
  /** Of the tool when it only asks how things stand: starting it takes that long. */
  readonly startSeconds: number;
  readonly message: string;
}

export interface RebuildRun {
  readonly secondRun: SecondRun;
  readonly undisturbedSeconds: number;
  readonly interrupted: readonly InterruptedRun[];
  readonly comparisons: readonly Comparison[];
  readonly reads: ReadsSeen;
  readonly writes: WritesDone;
  /** `table/slot` that were reported after a row had been taken out on purpose, and the one it was taken from. */
  readonly planted: { readonly in: string; readonly reported: readonly string[] };
}

const eventsWrittenPerSecond = 30;
const readPauseMs = 50;
/** After PostgreSQL is back, readers may meet connections that died for a little longer. */
const outageGraceMs = 5_000;
const pathsRead = ['/v1/conversations?limit=20', '/v1/users'];

/**
 * Rebuilds the OLTP tier of a live system as often as there are runs to strike, and once undisturbed, while others read and
 * write; then compares all of them, slot by slot.
 */
export async function runRebuilds(options: RebuildRunOptions): Promise<RebuildRun> {
  const { random, events, dataDir, signal, onPhase, onEvents } = options;
  onPhase(`a system with ${events} events`);
  const system = await RebuildSystem.start({ dataDir, events, seed: random.seed, signal, onEvents });
  try {
    const reader = readContinuously(clientOf(system), pathsRead, { pauseMs: readPauseMs });
    const writer = writeContinuously(system.store, system.liveActs, {
      eventsPerSecond: eventsWrittenPerSecond,
    });
    const struck = await strikeAll(system, options).catch(async (error: unknown) => {
      await Promise.allSettled([writer.stop(), reader.stop()]);
      throw error;
    });
    const [writes, reads] = [await writer.stop(), await reader.stop()];
    onPhase('all stand still, and are compared');
    await system.untilLevel(signal);
    const comparisons = await compareAll(system, struck.made);
    const planted = await plantLoss(system, struck.made.at(-1)?.generation);
    const outages = struck.interrupted.flatMap((run) => run.outages);
    const { secondRun, undisturbedSeconds, interrupted } = struck;
    return {
      ...{ secondRun, undisturbedSeconds, interrupted, comparisons, writes, planted },
      reads: { ...reads, faults: reads.faults.filter((fault) => !isWithin(fault, outages)) },
    };
  } finally {
    await system.stop();
  }
}

interface Made {
  readonly what: string;
  readonly shards: number;
  readonly generation: number;
}

async function strikeAll(
  system: RebuildSystem,
  { random, runs, signal, onPhase }: RebuildRunOptions,
): Promise<Pick<RebuildRun, 'secondRun' | 'undisturbedSeconds' | 'interrupted'> & { made: Made[] }> {
  onPhase('a rebuild that nobody disturbs, but for a second one at once');
  const { undisturbed, second, startSeconds } = await runTwice(system, ['rebuild', 'run', 'oltp'], signal);
  const made: Made[] = [{ what: 'undisturbed', shards: 1, generation: await newestGeneration(system) }];
  const interrupted: InterruptedRun[] = [];
  const pace = { wholeSeconds: undisturbed.seconds, startSeconds };
  for (const run of runs) {
    const name = `${run.shards === 1 ? 'one shard' : `${run.shards} shards`}, killed at ${run.killsAt.join(', ')} %`;
    onPhase(name);
    const onStrike = ({ atPercent, struck, phase }: Strike): void =>
      onPhase(`  ${struck} killed at ${atPercent} % (${phase ?? 'before it had begun'})`);
    interrupted.push(await interruptedRun(system, run, pace, { random, signal, onStrike }));
    made.push({ what: name, shards: run.shards, generation: await newestGeneration(system) });
  }
  return { secondRun: second, undisturbedSeconds: undisturbed.seconds, interrupted, made };
}

/** A run, and the same once more as soon as it works: the second must be turned away. */
async function runTwice(
  system: RebuildSystem,
  args: readonly string[],
  signal: AbortSignal,
): Promise<{ undisturbed: ToolEnded; second: SecondRun; startSeconds: number }> {
  const first = startTool(args, system.env, signal);
  const isWorking = async (): Promise<boolean> => (await system.latestRun())?.state === 'running';
  while (!(await isWorking())) {
    signal.throwIfAborted();
    if ((await Promise.race([first.ended, delay(10, null)])) !== null) break;
  }
  const { exitCode, seconds, stderr } = await startTool(args, system.env, signal).ended;
  // On the same busy machine, for what is measured is not how long Node takes to start.
  const startSeconds = (await runTool(['rebuild', 'status'], system.env, signal)).seconds;
  const undisturbed = await first.ended;
  if (undisturbed.exitCode !== 0)
    throw new Error(`the undisturbed rebuild failed: ${undisturbed.stderr.trim()}`);
  const message = stderr.trim().split('\n').at(-1) ?? '';
  return { undisturbed, second: { exitCode, seconds, startSeconds, message }, startSeconds };
}

async function newestGeneration(system: RebuildSystem): Promise<number> {
  return Math.max(...(await system.generations()).map(({ generation }) => generation));
}

async function compareAll(system: RebuildSystem, made: readonly Made[]): Promise<Comparison[]> {
  const generations = await system.generations();
  const live = generations.find(({ isLive }) => isLive);
  if (live === undefined) throw new Error('nothing serves');
  const served = await system.digestsOf(live);
  const comparisons: Comparison[] = [];
  for (const { what, shards, generation } of made) {
    const found = generations.find((each) => each.generation === generation);
    if (found === undefined) throw new Error(`generation ${generation} (${what}) is gone`);
    const expected = partOf(served, found);
    const differing = differingSlots(expected, await system.digestsOf(found));
    comparisons.push({ what, shards, slots: expected.size, differing });
  }
  return comparisons;
}

/** A re-partition fills anew only the slots that move. */
function partOf(digests: SlotDigests, { targets }: Generation): SlotDigests {
  const isHeld = (key: string): boolean => {
    const slot = Number(key.slice(key.indexOf('/') + 1));
    return targets.some(({ slots }) => slot >= slots.from && slot <= slots.to);
  };
  return new Map([...digests].filter(([key]) => isHeld(key)));
}

/** Takes one row out of a generation and compares again: a harness that then reports nothing is broken. */
async function plantLoss(
  system: RebuildSystem,
  generation: number | undefined,
): Promise<RebuildRun['planted']> {
  const target = (await system.generations()).find((each) => each.generation === generation)?.targets[0];
  if (target === undefined || generation === undefined)
    throw new Error('there is nothing to take a row from');
  const [row] = await queryAsSuperuser<{ slot: number }>(
    system.urlOf(target.databaseRef),
    `delete from ${target.schema}.conversations
     where (tenant_id, id) = (select tenant_id, id from ${target.schema}.conversations order by log_position limit 1)
     returning slot`,
  );
  const [compared] = await compareAll(system, [{ what: 'planted', shards: 0, generation }]);
  return { in: `conversations/${row?.slot}`, reported: compared?.differing ?? [] };
}

function clientOf(system: RebuildSystem): DemoClient {
  const [tenant] = system.sample.tenants;
  if (tenant === undefined) throw new Error('the sample has no tenant');
  return new DemoClient(system.urls, tenant.apiKey);
}

function isWithin({ from, to }: { from: number; to: number }, outages: readonly Outage[]): boolean {
  return outages.some((outage) => from <= outage.to + outageGraceMs && to >= outage.from);
}
