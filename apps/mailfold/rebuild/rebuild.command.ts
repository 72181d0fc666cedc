import type { Pool } from 'pg';
import type { ProjectionTier } from '../../../projections/tier';
import { tierDatabaseUrls } from '../../shared/config/tier-databases';
import type { EventStore } from '../../shared/event-store/event-store';
import {
  createGeneration,
  databaseRefOf,
  listGenerations,
  retireGeneration,
  soleLiveGeneration,
  soleTargetOf,
  startTailing,
  type Generation,
} from '../../shared/generations/generations';
import { allSlots, wholeTier } from '../../shared/generations/coverage';
import { cutOver } from '../../shared/generations/cut-over';
import { readPlacement } from '../../shared/generations/placement';
import { createMailParser, replayParseTimeoutMs } from '../../shared/mail/mail-parser';
import { replay } from '../../shared/projecting/replay';
import { codeVersion } from '../code-version';
import { exitCodes, oneLine, type CommandContext } from '../command-run';
import { controlUrl, openLog, openPool, tierNamed, tierUrl } from '../connections';
import { duration, plural } from '../output';
import { createProgress } from '../progress';
import {
  compareAtOnePosition,
  comparisonRecord,
  differencesOf,
  printComparison,
} from '../verify/compare-at-one-position';
import { progressOf, waitUntilLevel } from './generation-progress';
import { newlyParked } from './newly-parked';
import { lockRebuild } from './rebuild-lock';

export interface RebuildOptions {
  /** Drop the generation that served until now; without it the way back stays warm. */
  readonly retireOld?: boolean;
  /** Switch although rows differ: they should, when the code of the projections has changed. */
  readonly acceptDifferences?: boolean;
  /** Drop what an interrupted rebuild has left, instead of going on with it. */
  readonly fresh?: boolean;
}

interface Rebuild {
  readonly tier: ProjectionTier;
  readonly url: string;
  readonly control: Pool;
  /** As owner, for schemas and checkpoints. */
  readonly owner: Pool;
  readonly live: Generation;
  readonly options: RebuildOptions;
  readonly context: CommandContext;
  /** Ctrl-C, or the lock is lost. */
  readonly signal: AbortSignal;
}

/**
 * `mailfold rebuild`: fills a new generation of a tier from the log while the old one serves, proves that both hold the
 * same rows, and switches. Resumable wherever it stops; touches no reactor, so nothing is sent again.
 * 0 when it has switched, 1 when it has not, and then everything serves as before.
 */
export async function rebuildCommand(
  tierName: string,
  options: RebuildOptions,
  context: CommandContext,
): Promise<number> {
  const startedAt = Date.now();
  const tier = tierNamed(tierName);
  const url = tierUrl(tier.tier);
  const lock = await lockRebuild(controlUrl(), tier.tier);
  context.onEnd(() => lock.release());
  const control = openPool(context, controlUrl());
  const owner = openPool(context, url);
  const live = await soleLiveGeneration(control, tier.tier);
  const signal = AbortSignal.any([context.signal, lock.lost]);
  const rebuild: Rebuild = { tier, url, control, owner, live, options, context, signal };

  const next = await nextGeneration(rebuild);
  const filled = await fill(rebuild, next);
  if (filled === null) return tellHowToResume(rebuild, next);
  await startTailing(control, tier.tier, next.generation);
  await waitUntilLevel(owner, next, live, signal);
  if (!(await isProven(rebuild, next))) return exitCodes.failed;
  await cutOver({
    ...{ control, urls: tierDatabaseUrls(), tier: tier.tier, signal },
    moves: [{ slots: allSlots, to: next.generation }],
  });
  const retired = await retireOthers(rebuild, next);
  const seconds = (Date.now() - startedAt) / 1_000;
  context.output.record({
    tier: tier.tier,
    generation: next.generation,
    previousGeneration: live.generation,
    retired,
    events: filled.events,
    seconds,
  });
  context.output.line(
    `${tier.tier} is served by generation ${next.generation} now; ${plural(filled.events, 'event')} in ${duration(seconds)}.` +
      (retired.includes(live.generation)
        ? ''
        : ` Generation ${live.generation} is kept up to date as the way back.`),
  );
  return exitCodes.done;
}

/** The one an interrupted rebuild by the same code has begun, else a new one. What others have left is dropped. */
async function nextGeneration({
  tier,
  control,
  owner,
  live,
  options,
  context,
}: Rebuild): Promise<Generation> {
  const version = codeVersion();
  const previous = (await readPlacement(control, tier.tier)).pointers[0]?.previousGeneration;
  const unfinished = (await listGenerations(control, tier.tier)).filter(
    ({ state, generation }) =>
      state === 'building' ||
      // Tailing, but never switched to: it stopped between the two.
      (state === 'tailing' && generation > live.generation && generation !== previous),
  );
  const latest = unfinished.filter(({ codeVersion: filledBy }) => filledBy === version).at(-1);
  const resumable =
    latest && !options.fresh && (await hasLanes(owner, soleTargetOf(latest).schema)) ? latest : undefined;
  for (const { generation } of unfinished) {
    if (generation === resumable?.generation) continue;
    context.output.notice(`Dropping generation ${generation}, which was never finished.`);
    await retireGeneration(control, tierDatabaseUrls(), tier.tier, generation);
  }
  if (!resumable)
    return createGeneration(control, tierDatabaseUrls(), tier.tier, {
      codeVersion: version,
      kind: 'rebuild',
      targets: [{ databaseRef: databaseRefOf(tier.tier), coverage: wholeTier }],
    });
  context.output.notice(`Going on with generation ${resumable.generation}.`);
  return resumable;
}

/** Killed between its registration and its tables, a generation has no lanes. */
async function hasLanes(owner: Pool, schema: string): Promise<boolean> {
  const { rows } = await owner.query<{ name: string | null }>('select to_regclass($1) as name', [
    `${schema}.checkpoints`,
  ]);
  if (rows[0]?.name == null) return false;
  return (await owner.query(`select 1 from ${schema}.checkpoints limit 1`)).rowCount === 1;
}

/** Replays the log up to its present end; `null` when interrupted. */
async function fill(rebuild: Rebuild, next: Generation): Promise<{ events: number } | null> {
  const { tier, url, owner, context, signal } = rebuild;
  if (next.state === 'tailing')
    return { events: (await progressOf(owner, soleTargetOf(next).schema)).events };
  const store = openLog(context);
  const until = await store.head();
  if (until === null) return { events: 0 };
  const pool = openPool(context, url, 'mailfold_projector');
  const parser = tier.withContent ? createMailParser({ threads: 2, timeoutMs: replayParseTimeoutMs }) : null;
  if (parser) context.onEnd(() => parser.close());
  context.output.notice(
    `Filling generation ${next.generation} of ${tier.tier} from the log; generation ${rebuild.live.generation} serves.`,
  );
  const { isComplete } = await withProgress(rebuild, next, { store, until }, (onProgress, onTrouble) =>
    replay({
      ...{ store, tier, parser, pool, until, signal, onProgress, onTrouble },
      generation: next.generation,
      schema: soleTargetOf(next).schema,
    }),
  );
  return isComplete ? { events: (await progressOf(owner, soleTargetOf(next).schema)).events } : null;
}

async function withProgress<T>(
  { owner, signal }: Rebuild,
  next: Generation,
  { until }: { store: EventStore; until: bigint },
  work: (
    onProgress: (progress: { position: bigint; events: number }) => void,
    onTrouble: (error: unknown) => void,
  ) => Promise<T>,
): Promise<T> {
  const from = (await progressOf(owner, soleTargetOf(next).schema)).position ?? 0n;
  const progress = createProgress('Replaying', 'events');
  try {
    return await work(
      ({ position, events }) =>
        progress.update({ done: Number(position - from), total: Number(until - from), count: events }),
      (error) => void (signal.aborted || progress.say(`Interrupted, trying again: ${oneLine(error)}`)),
    );
  } finally {
    progress.stop();
  }
}

/** Equal rows at one position, and nothing parked that the serving generation has not parked too. */
async function isProven(
  { tier, url, live, options, context, signal }: Rebuild,
  next: Generation,
): Promise<boolean> {
  const { output } = context;
  const pool = openPool(context, url, 'mailfold_auditor');
  const compared = {
    left: { generation: live.generation, pool, schema: soleTargetOf(live).schema },
    right: { generation: next.generation, pool, schema: soleTargetOf(next).schema },
  };
  const comparison = await compareAtOnePosition(tier, compared, signal);
  const differences = await differencesOf(tier, compared, comparison);
  const schemas = { live: soleTargetOf(live).schema, next: soleTargetOf(next).schema };
  const parkedNewly = await newlyParked(pool, schemas, comparison.position);
  printComparison(output, compared, comparison, differences);
  if (parkedNewly > 0) {
    output.error(
      `not switched: generation ${next.generation} has parked ${plural(parkedNewly, 'event')} ` +
        `that generation ${live.generation} has applied`,
    );
  } else if (!comparison.isEqual && options.acceptDifferences !== true) {
    output.error('not switched: the rows differ; --accept-differences switches all the same');
  } else return true;
  output.record({ tier: tier.tier, switched: false, ...comparisonRecord(compared, comparison, differences) });
  return false;
}

/** Keeps the way back; what lies behind it goes. */
async function retireOthers({ tier, control, live, options }: Rebuild, next: Generation): Promise<number[]> {
  const kept = new Set([next.generation, ...(options.retireOld ? [] : [live.generation])]);
  const others = (await listGenerations(control, tier.tier)).filter(
    ({ generation, state }) => state !== 'retired' && !kept.has(generation),
  );
  for (const { generation } of others)
    await retireGeneration(control, tierDatabaseUrls(), tier.tier, generation);
  return others.map(({ generation }) => generation);
}

function tellHowToResume({ tier, context }: Rebuild, next: Generation): number {
  context.output.notice(
    `Interrupted. \`mailfold rebuild ${tier.tier}\` goes on with generation ${next.generation} where it stopped.`,
  );
  return context.signal.aborted ? exitCodes.interrupted : exitCodes.failed;
}
