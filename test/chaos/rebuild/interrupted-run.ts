import { setTimeout as delay } from 'node:timers/promises';
import type { Random } from '../../../apps/dev/sample-log/random';
import type { RebuildSystem } from './rebuild-system';
import { startTool, type ToolEnded } from './tool';

/** A run of the tool that is to be struck. */
export interface RunToStrike {
  readonly shards: number;
  /** What follows `mailfold`. */
  readonly args: readonly string[];
  /** In percent of the work: SIGKILL of the tool, one after the other, each time gone on with. */
  readonly killsAt: readonly number[];
  /** Whether all of PostgreSQL is killed as well, at one of these. */
  readonly killsPostgres: boolean;
}

export interface Strike {
  readonly atPercent: number;
  readonly struck: 'tool' | 'PostgreSQL and tool';
  /** What the run was doing by its own account; null: it had not begun. */
  readonly phase: string | null;
}

export interface Outage {
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
}

export interface InterruptedRun {
  readonly shards: number;
  readonly strikes: readonly Strike[];
  /** While PostgreSQL was away nobody could read. */
  readonly outages: readonly Outage[];
  /** How often it was gone on with after the last strike until it ended well. */
  readonly resumes: number;
  /** Why it did not end well; null: it did. */
  readonly failure: string | null;
}

/** How long an undisturbed run takes, seconds, and the tool before it does anything. */
export interface Pace {
  readonly wholeSeconds: number;
  readonly startSeconds: number;
}

const resumesMax = 5;

/** Starts a run, strikes it as often as planned, goes on with it after each strike, and lets it come to its end. */
export async function interruptedRun(
  system: RebuildSystem,
  toStrike: RunToStrike,
  pace: Pace,
  { random, signal, onStrike }: { random: Random; signal: AbortSignal; onStrike: (strike: Strike) => void },
): Promise<InterruptedRun> {
  const { shards, args, killsAt, killsPostgres } = toStrike;
  const before = await system.latestRun();
  const postgresAt = killsPostgres ? random.pick(killsAt) : undefined;
  const strikes: Strike[] = [];
  const outages: Outage[] = [];
  let done = 0;
  for (const atPercent of killsAt) {
    signal.throwIfAborted();
    const tool = startTool(await nextArgs(system, before?.run ?? null, args), system.env, signal);
    const workSeconds = Math.max(0, pace.wholeSeconds - pace.startSeconds);
    await delay(1_000 * (pace.startSeconds + (workSeconds * (atPercent - done)) / 100), undefined, {
      signal,
    });
    done = atPercent;
    const run = await system.latestRun();
    const phase =
      run === null || run.run === before?.run ? null : `${run.state}: ${run.progress?.phase ?? 'begun'}`;
    const hitsPostgres = atPercent === postgresAt;
    if (hitsPostgres) {
      const from = Date.now();
      await system.killPostgres();
      outages.push({ from, to: Date.now() });
    }
    await tool.kill();
    strikes.push({ atPercent, phase, struck: hitsPostgres ? 'PostgreSQL and tool' : 'tool' });
    onStrike(strikes.at(-1) as Strike);
  }
  return { shards, strikes, outages, ...(await comeToEnd(system, before?.run ?? null, args, signal)) };
}

/** Begins where nothing was begun, for a strike may have come before that; else goes on. */
async function nextArgs(
  system: RebuildSystem,
  runBefore: number | null,
  args: readonly string[],
): Promise<readonly string[]> {
  const latest = await system.latestRun();
  if (latest === null || latest.run === runBefore) return args;
  return [args[0] ?? '', 'resume', String(latest.run)];
}

async function comeToEnd(
  system: RebuildSystem,
  runBefore: number | null,
  args: readonly string[],
  signal: AbortSignal,
): Promise<{ resumes: number; failure: string | null }> {
  let ended: ToolEnded | undefined;
  for (let resumes = 1; resumes <= resumesMax; resumes++) {
    signal.throwIfAborted();
    ended = await startTool(await nextArgs(system, runBefore, args), system.env, signal).ended;
    if (ended.exitCode === 0) return { resumes, failure: null };
  }
  return { resumes: resumesMax, failure: ended?.stderr.trim().slice(-500) ?? 'it was never started' };
}
