import type { ProjectionTier } from '../../../../projections/tier';
import { tablesOf } from '../../../../projections/tiers';
import type { EventStore } from '../../event-store/event-store';
import type { LaneTally, LoadOutcome, LoadProgress, TargetToLoad } from '../contracts';
import { CopyTarget, type CopiedState } from './copy-target';
import { parkedState, parkedWithin } from './place-lanes';
import { takeSourceSnapshots, type CopySource, type SourceSnapshots } from './source-snapshots';
import { refuseDifference, tallyLog } from './tally-log';

export type { CopySource } from './source-snapshots';

export interface CopyLoadOptions {
  readonly tier: ProjectionTier;
  /** What serves now, without overlaps; filled by the same code as the targets shall be. */
  readonly sources: readonly CopySource[];
  /** Together no more than the sources hold. */
  readonly targets: readonly TargetToLoad[];
  readonly store: Pick<EventStore, 'readRecords'>;
  /** Awaited between batches: to throttle or to pause. */
  readonly pace?: () => Promise<void>;
  readonly signal: AbortSignal;
  /** At most ten times a second. */
  readonly onProgress?: (progress: LoadProgress) => void;
}

/** The server's work per row is what a copy costs; more at once gain nothing on few cores. */
const targetsAtOnce = 2;
const progressIntervalMs = 100;

/**
 * Fills targets with the rows that other schemas serve, as they are at one position of the log (rebuild.md §4c): no event is
 * decoded and none is folded. Meanwhile the log is counted, and sources that have not taken in what it holds of their slots
 * are refused ({@link LogDisagrees}): a copy would only spread what they lack.
 *
 * A target is written in one transaction, its lanes' checkpoints with it. After a kill the same call leaves finished ones
 * alone and fills the others from a new snapshot: no target holds rows of two, and each goes on from its own position,
 * the lowest of which is the outcome's.
 */
export async function copyLoad(options: CopyLoadOptions): Promise<LoadOutcome> {
  const targets = options.targets.map((target) => new CopyTarget(options.tier, target));
  const progress = new CopyProgress(options);
  try {
    for (const target of targets) await target.prepare(options.sources);
    const unfinished = [];
    for (const target of targets) if (!(await target.isCopied())) unfinished.push(target);
    progress.expectTables(unfinished.length * tablesOf(options.tier).length);
    if (unfinished.length > 0) await copyAll(options, unfinished, progress);
    for (const target of targets)
      await target.index({
        ...{ signal: options.signal, ...(options.pace ? { pace: options.pace } : {}) },
        onProgress: (index) => progress.say({ ...index, phase: 'index', what: 'indexes' }),
      });
    return await outcomeOf(options, targets, progress);
  } catch (error) {
    if (!options.signal.aborted) throw error;
    return { isComplete: false, events: progress.events, rows: {}, parkedEvents: 0, checkpoint: null };
  } finally {
    await Promise.allSettled(targets.map((target) => target.close()));
  }
}

async function copyAll(
  options: CopyLoadOptions,
  targets: readonly CopyTarget[],
  progress: CopyProgress,
): Promise<void> {
  // One that fails ends the others, whose transactions are then rolled back.
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const snapshots = await takeSourceSnapshots(options.sources, signal);
  try {
    const counting = countLog(options, targets, snapshots, progress, signal);
    const state: CopiedState = { snapshots, counting, parked: await parkedIn(options.sources, snapshots) };
    const queue = [...targets];
    const worker = async (): Promise<void> => {
      for (let target = queue.shift(); target !== undefined; target = queue.shift())
        await target.copy(state, {
          ...{ signal, onTable: () => progress.tableDone(), onBytes: (count) => progress.addBytes(count) },
          ...(options.pace ? { pace: options.pace } : {}),
        });
    };
    const work = [counting, ...Array.from({ length: targetsAtOnce }, worker)];
    const ended = await Promise.allSettled(
      work.map((each) =>
        each.catch((error: unknown) => {
          stop.abort(error);
          throw error;
        }),
      ),
    );
    // What came first is the cause; the others were ended by it.
    if (stop.signal.aborted) throw stop.signal.reason;
    for (const each of ended) if (each.status === 'rejected') throw each.reason;
  } finally {
    await snapshots.close();
  }
}

/** By target: the figures of its lanes at the position of the snapshots. */
async function countLog(
  { store, pace, tier }: CopyLoadOptions,
  targets: readonly CopyTarget[],
  { checkpoint, lanes }: SourceSnapshots,
  progress: CopyProgress,
  signal: AbortSignal,
): Promise<ReadonlyMap<CopyTarget, readonly LaneTally[]>> {
  const wanted = targets.flatMap((target) => target.lanes);
  const coverages = [...lanes.map(({ coverage }) => coverage), ...wanted];
  const tallies = await tallyLog(coverages, {
    ...{ store, signal, upTo: checkpoint?.position ?? null },
    onRecords: (count) => progress.addEvents(count),
    ...(pace ? { pace } : {}),
  });
  for (const [index, said] of lanes.entries()) refuseDifference(tier.tier, said, tallies[index]);
  let next = lanes.length;
  return new Map(
    targets.map((target) => [target, tallies.slice(next, (next += target.lanes.length))] as const),
  );
}

async function parkedIn(
  sources: readonly CopySource[],
  snapshots: SourceSnapshots,
): Promise<CopiedState['parked']> {
  const parked = [];
  for (const { databaseUrl, schema, coverage } of sources) {
    const client = await snapshots.connect(databaseUrl);
    try {
      parked.push(parkedWithin(coverage, await parkedState(client, schema)));
    } finally {
      client.release(true);
    }
  }
  return parked;
}

async function outcomeOf(
  { tier }: CopyLoadOptions,
  targets: readonly CopyTarget[],
  progress: CopyProgress,
): Promise<LoadOutcome> {
  const rows: Record<string, number> = {};
  let parkedEvents = 0;
  const checkpoints = [];
  for (const target of targets) {
    const copied = await target.copied();
    for (const [table, count] of Object.entries(copied.rows))
      rows[`${tier.tier}.${table}`] = (rows[`${tier.tier}.${table}`] ?? 0) + count;
    parkedEvents += copied.parkedEvents;
    checkpoints.push(copied.checkpoint);
  }
  const checkpoint = checkpoints.reduce((low, each) =>
    low === null || each === null || each.position < low.position ? each : low,
  );
  return { isComplete: true, events: progress.events, rows, parkedEvents, checkpoint: checkpoint ?? null };
}

class CopyProgress {
  events = 0;
  private bytes = 0;
  private done = 0;
  private total = 0;
  private saidAt = 0;

  constructor(private readonly options: Pick<CopyLoadOptions, 'onProgress'>) {}

  expectTables(total: number): void {
    this.total = total;
    this.sayLoad(true);
  }

  addEvents(count: number): void {
    this.events += count;
    this.sayLoad();
  }

  addBytes(count: number): void {
    this.bytes += count;
    this.sayLoad();
  }

  tableDone(): void {
    this.done += 1;
    this.sayLoad();
  }

  say(progress: Omit<LoadProgress, 'events' | 'bytes'>, isDue = false): void {
    const now = performance.now();
    if (!isDue && now - this.saidAt < progressIntervalMs && progress.done < progress.total) return;
    this.saidAt = now;
    this.options.onProgress?.({ ...progress, events: this.events, bytes: this.bytes });
  }

  private sayLoad(isDue = false): void {
    this.say({ phase: 'load', done: this.done, total: this.total, what: 'tables' }, isDue);
  }
}
