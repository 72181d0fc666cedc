import { rmSync } from 'node:fs';
import { LogLedger } from '../log-ledger/log-ledger';
import { createPool } from '../postgres/pool';
import { bucketsFor } from './buckets';
import type { BulkLoadOptions, LoadOutcome, Poison } from './contracts';
import { finishLoad } from './finish-load';
import { outcomeOf } from './load-outcome';
import { loadBuckets, RowPoison } from './load-phase';
import { ProgressReport } from './load-progress';
import { logAccess } from './log-access';
import { bareTables } from './load/bare-tables';
import { buildIndexes } from './load/build-indexes';
import { lanesOf } from './load/finish-target';
import { emptyFolded } from './load/load-bucket';
import { beginRun, identityOf, readRun, type PlannedLane, type Run } from './run-manifest';
import { logRanges } from './scan/log-ranges';
import { ReaderConnections } from './scan/reader-connections';
import type { RangeSummary, ScanPlan } from './scan/scan-plan';
import { checkAgainstLedger, rangesDone, scanRanges, summariesOf } from './scan/scan-phase';
import { followStopped, type StoppedTier } from './scan/stopped-sequences';
import { areFinished, claimTarget, TargetPools } from './target-pools';
import { parallelismOf, type Parallelism } from './threads';

export type { BulkLoadOptions, LoadOutcome, LoadProgress, TargetToLoad } from './contracts';

const memoryMaxBytesDefault = 64 * 1024 * 1024;
/** What the rows of an event take while they are folded, roughly, over all tiers; sets how many buckets there are. */
const bytesPerEvent = 500;
const bucketsPerFolderMin = 4;
const ledgerTimeoutMs = 60_000;

/**
 * Fills new generations from the log in bulk: reads it once for all tiers, folds each row in memory, writes it once by COPY
 * into bare tables and makes their indexes afterwards. The rows equal those of the live lanes to the last bit.
 *
 * Resumable: killed anywhere, the same call goes on. Aborted, it resolves to `isComplete: false`. Afterwards all lanes stand
 * at one checkpoint, and `startTailing` is all that is left. It sends nothing: no NOTIFY, no mail, no command.
 *
 * Throws PoisonStop, LogDisagrees, and what log, keys, PostgreSQL or the disk throw.
 */
export async function bulkLoad(options: BulkLoadOptions): Promise<LoadOutcome> {
  const load = new BulkLoad(options);
  try {
    return await load.run();
  } catch (error) {
    if (options.signal.aborted) return incomplete;
    throw error;
  } finally {
    await load.close();
  }
}

const incomplete: LoadOutcome = { isComplete: false, events: 0, rows: {}, parkedEvents: 0, checkpoint: null };

class BulkLoad {
  private readonly targets: TargetPools;
  private readonly connections: ReaderConnections;
  private readonly ledger: LogLedger | null;
  private readonly closeLedger: () => Promise<void>;
  private readonly progress: ProgressReport;
  private readonly parallelism: Parallelism;
  private readonly memoryMaxBytes: number;

  constructor(private readonly options: BulkLoadOptions) {
    const { log, memoryMaxBytes, onProgress } = options;
    this.targets = new TargetPools(options.tiers);
    this.connections = new ReaderConnections(logAccess(log), this.targets.owners);
    this.parallelism = parallelismOf(options);
    this.memoryMaxBytes = memoryMaxBytes ?? memoryMaxBytesDefault;
    this.progress = new ProgressReport(onProgress);
    const control = log.controlDatabaseUrl === undefined ? null : controlPool(log.controlDatabaseUrl);
    this.ledger = control === null ? null : new LogLedger(control, this.connections.store);
    this.closeLedger = async () => control?.end();
  }

  async run(): Promise<LoadOutcome> {
    const { options } = this;
    options.signal.throwIfAborted();
    const known = readRun(options);
    if (known === null && (await areFinished(this.targets.all, identityOf(options))))
      return outcomeOf(this.targets);
    const run = known ?? (await this.begin());
    await this.prepare(run);
    const summaries = await this.scan(run);
    const stopped = await this.load(run, summaries);
    await this.index();
    await finishLoad({
      options,
      run,
      summaries,
      stopped,
      targets: this.targets,
      log: this.connections.store,
    });
    rmSync(options.spoolFolder, { recursive: true, force: true });
    return outcomeOf(this.targets);
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.connections.close(), this.targets.close(), this.closeLedger()]);
  }

  private async begin(): Promise<Run> {
    const { fence, tiers, only } = this.options;
    const lanes: PlannedLane[] = [];
    for (const target of this.targets.all)
      for (const { coverage } of await lanesOf(target.pool, target.schema))
        lanes.push({ ...target.place, coverage });
    const { readers, folders } = this.parallelism;
    const events = (await this.eventsUpTo(fence)) ?? Number(fence);
    const perBucket = Math.max(1, this.memoryMaxBytes / folders / bytesPerEvent);
    // How much there is of a part nobody knows: more than memory takes is folded by halves.
    const count =
      only === undefined ? Math.max(folders * bucketsPerFolderMin, Math.ceil(events / perBucket)) : folders;
    const ranges = await logRanges(this.ledger, fence, { readers, isPart: only !== undefined });
    return beginRun(this.options, { ranges, buckets: bucketsFor(tiers, count), lanes });
  }

  private async prepare(run: Run): Promise<void> {
    this.progress.begin('prepare', 'indexes', this.targets.all.length);
    await this.targets.each(async (target) => {
      await claimTarget(target, run.id);
      await bareTables(target.pool, target.schema, target.tier);
      this.progress.add({ done: 1 });
    });
  }

  private async scan(run: Run): Promise<RangeSummary[]> {
    const { options, connections } = this;
    const { readers, isInProcess } = this.parallelism;
    const phase = { plan: this.scanPlan(run), ranges: run.ranges };
    const before = summariesOf({ ...phase, ranges: rangesDone(phase) });
    const eventsBefore = before.reduce((sum, { events }) => sum + events, 0);
    const total = (await this.eventsUpTo(options.fence)) ?? Number(options.fence);
    this.progress.begin('scan', 'events', total, eventsBefore);
    await scanRanges({
      ...{ ...phase, readers, inProcess: isInProcess ? connections : null },
      ...{ signal: options.signal, ...(options.pace ? { pace: options.pace } : {}) },
      onBatch: ({ events, bytes }) => this.progress.add({ done: events, events, bytes }),
    });
    const summaries = summariesOf(phase);
    if (this.ledger !== null && options.only === undefined)
      await checkAgainstLedger(this.ledger, phase, summaries);
    this.progress.end();
    return summaries;
  }

  private scanPlan(run: Run): ScanPlan {
    const { log, tiers, only, poison, spoolFolder } = this.options;
    const lanes = run.lanes.map(({ coverage }) => coverage);
    const spool = { folder: spoolFolder, key: run.key };
    return {
      runId: run.id,
      log: logAccess(log),
      tiers,
      poison,
      buckets: run.buckets,
      lanes,
      spool,
      ...(only ? { only } : {}),
    };
  }

  /** Again as often as rows show poison that nobody knew of: what it has stopped has no effect in any bucket. */
  private async load(run: Run, summaries: readonly RangeSummary[]): Promise<StoppedTier[]> {
    const { options, memoryMaxBytes, progress, targets } = this;
    const { folders, isInProcess } = this.parallelism;
    const rowPoison = new RowPoison(options.spoolFolder);
    for (;;) {
      const stopped = await this.followStopped(summaries, rowPoison.read());
      progress.begin('load', 'buckets', run.buckets.length * options.tiers.length);
      const found = await loadBuckets({
        ...{ options, run, folders, memoryMaxBytes, inProcess: isInProcess ? targets.owners : null },
        stopped: stopped.map((tier) => tier.stopped),
        onBatch: ({ events }) => progress.add({ events }),
        onBucket: () => progress.add({ done: 1 }),
      });
      progress.end();
      if (found.length === 0) return stopped;
      rowPoison.add(found);
      const tiers = new Set(found.map(({ tier }) => tier));
      for (const target of this.targets.all)
        if (tiers.has(target.tier.tier)) await emptyFolded(target.pool, target.schema, target.tier);
    }
  }

  private async followStopped(
    summaries: readonly RangeSummary[],
    rowPoison: readonly Poison[],
  ): Promise<StoppedTier[]> {
    const read = summaries.flatMap(({ poison }) => poison);
    const all = [...read.map((each) => ({ ...each, position: BigInt(each.position) })), ...rowPoison];
    const stopped: StoppedTier[] = [];
    for (const tier of this.options.tiers) {
      const ofTier = all.filter((poison) => poison.tier === tier.tier);
      stopped.push(await followStopped(tier, ofTier, this.options.fence, this.connections));
    }
    return stopped;
  }

  private async index(): Promise<void> {
    const { signal, pace } = this.options;
    this.progress.begin('index', 'indexes', 0);
    await this.targets.each(async ({ pool, schema, tier }) => {
      let before = 0;
      await buildIndexes(pool, schema, tier, {
        ...{ signal, ...(pace ? { pace } : {}) },
        onProgress: ({ done }) => {
          this.progress.add({ done: done - before });
          before = done;
        },
      });
    });
    this.progress.end();
  }

  private async eventsUpTo(fence: bigint): Promise<number | null> {
    const head = await this.ledger?.head();
    return head === undefined || head === null || head.position > fence ? null : head.ordinal;
  }
}

/** The log ledger is read a page at a time. */
function controlPool(databaseUrl: string) {
  return createPool(databaseUrl, {
    applicationName: 'mailfold-bulk-load',
    maxConnections: 1,
    statementTimeoutMs: ledgerTimeoutMs,
    queryTimeoutMs: ledgerTimeoutMs,
    connectionTimeoutMs: ledgerTimeoutMs,
  });
}
