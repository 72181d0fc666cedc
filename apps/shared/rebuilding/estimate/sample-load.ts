import { parseStreamName } from '../../../../domain/stream-name';
import { bucketsFor } from '../buckets';
import type { BulkLoadOptions, Poison, StoppedSequence } from '../contracts';
import { loadBuckets } from '../load-phase';
import { buildIndexes } from '../load/build-indexes';
import { emptyFolded } from '../load/load-bucket';
import { logAccess } from '../log-access';
import { beginRun, type Run } from '../run-manifest';
import type { RangeSummary } from '../scan/scan-plan';
import type { ReaderConnections } from '../scan/reader-connections';
import { scanRanges, summariesOf } from '../scan/scan-phase';
import { tierNamed } from '../target-pools';
import { parallelismOf, type Parallelism } from '../threads';
import type { EstimateOptions } from './estimate-options';
import { growthByTable } from './row-growth';
import type { LogSample } from './sample';
import { measureSkew, type Skew } from './scratch-measures';
import type { ScratchTargets } from './scratch-targets';
import { Timeline } from './timeline';

/** The sample in its tables, and what it took to bring it there. */
export interface SampledLoad {
  readonly sample: LogSample;
  readonly summaries: readonly RangeSummary[];
  readonly scanning: Timeline;
  readonly loading: Timeline;
  readonly indexing: { readonly emptySeconds: number; readonly seconds: number };
  /** By `tier.table` the power that its rows grow with. */
  readonly growth: ReadonlyMap<string, number>;
  /** By tier. */
  readonly skew: Readonly<Record<string, Skew>>;
  /** The first of each sequence, in log order. */
  readonly poison: readonly Poison[];
  readonly census: readonly { readonly name: string; readonly events: number }[];
}

export interface SampleToLoad {
  readonly sample: LogSample;
  readonly scratch: ScratchTargets;
  readonly connections: ReaderConnections;
}

/** So that each half of the load has one bucket per thread at least. */
const bucketsPerFolder = 2;
const memoryMaxBytesDefault = 64 * 1024 * 1024;

/** The phases of a bulk load, one after the other, on a sample. */
export class SampleLoad {
  private readonly load: BulkLoadOptions;
  private readonly planned: Run;
  private readonly scratch: ScratchTargets;
  private readonly sample: LogSample;
  private readonly connections: ReaderConnections;
  private readonly parallelism: Parallelism;

  constructor(options: EstimateOptions, { sample, scratch, connections }: SampleToLoad) {
    this.sample = sample;
    this.scratch = scratch;
    this.connections = connections;
    this.parallelism = parallelismOf(options);
    this.load = { ...options, tiers: scratch.tiers, poison: 'collect' };
    const lanes = scratch.all.map(({ place, coverage }) => ({ ...place, coverage }));
    const buckets = bucketsFor(scratch.tiers, this.parallelism.folders * bucketsPerFolder);
    this.planned = beginRun(this.load, { ranges: sample.stretches, buckets, lanes });
  }

  async run(): Promise<SampledLoad> {
    const { load, scratch, sample } = this;
    const emptySeconds = await scratch.bare(load.signal);
    const scanning = new Timeline();
    const summaries = await this.scan(scanning);
    const read = summaries
      .flatMap(({ poison }) => poison)
      .map((each) => ({ ...each, position: BigInt(each.position) }));
    const { poison, loading } = await this.loadAll(read);
    const skew: Record<string, Skew> = {};
    for (const { tier } of scratch.tiers)
      skew[tier] = await measureSkew(scratch.all.filter((target) => target.tier.tier === tier));
    const growth = await this.growth(poison);
    const begun = performance.now();
    for (const { pool, schema, tier } of scratch.all)
      await buildIndexes(pool, schema, tier, { signal: load.signal });
    const seconds = (performance.now() - begun) / 1_000;
    const indexing = { emptySeconds, seconds };
    return {
      ...{ sample, summaries, scanning, loading, indexing, growth, skew, poison },
      census: censusOf(summaries),
    };
  }

  private async scan(timeline: Timeline): Promise<RangeSummary[]> {
    const { log, tiers, only, spoolFolder, signal, onProgress } = this.load;
    const { id: runId, key, buckets, lanes, ranges } = this.planned;
    const phase = {
      ranges,
      plan: {
        ...{
          runId,
          log: logAccess(log),
          tiers,
          buckets,
          poison: 'collect' as const,
          spool: { folder: spoolFolder, key },
        },
        lanes: lanes.map(({ coverage }) => coverage),
        ...(only ? { only } : {}),
      },
    };
    const total = Math.round(this.sample.events / this.sample.factor);
    let bytesRead = 0;
    const onBatch = ({ events, bytes }: { events: number; bytes: number }): void => {
      timeline.add(events);
      bytesRead += bytes;
      const done = timeline.total;
      onProgress?.({ phase: 'scan', what: 'events', done, total, events: done, bytes: bytesRead });
    };
    const { readers, isInProcess } = this.parallelism;
    const inProcess = isInProcess ? this.connections : null;
    await scanRanges({ ...phase, readers, inProcess, signal, onBatch });
    return summariesOf(phase);
  }

  /** Again where rows show poison: what stops a sequence changes what is loaded. The last time counts. */
  private async loadAll(read: readonly Poison[]): Promise<{ poison: Poison[]; loading: Timeline }> {
    const { load, scratch, connections } = this;
    const { folders, isInProcess } = this.parallelism;
    const poison = [...read];
    for (;;) {
      const loading = new Timeline();
      const total = this.planned.buckets.length * load.tiers.length;
      const found = await loadBuckets({
        ...{ options: load, run: this.planned, folders, inProcess: isInProcess ? connections.owners : null },
        memoryMaxBytes: load.memoryMaxBytes ?? memoryMaxBytesDefault,
        stopped: load.tiers.map(({ tier }) => stoppedBy(poison, tier)),
        onBatch: () => undefined,
        onBucket: () => {
          loading.add(1);
          load.onProgress?.({
            phase: 'load',
            what: 'buckets',
            done: loading.total,
            total,
            events: 0,
            bytes: 0,
          });
        },
      });
      if (found.length === 0) return { poison: inLogOrder(poison), loading };
      poison.push(...found);
      for (const { pool, schema, tier } of scratch.all) await emptyFolded(pool, schema, tier);
    }
  }

  private async growth(poison: readonly Poison[]): Promise<Map<string, number>> {
    const { buckets, ranges, key } = this.planned;
    const spool = { folder: this.load.spoolFolder, key, ranges: ranges.length };
    const growth = new Map<string, number>();
    const [bucket] = buckets;
    if (bucket === undefined) return growth;
    for (const [tierIndex, { tier, targets }] of this.load.tiers.entries()) {
      const powers = await growthByTable({
        ...{ spool, tierIndex, stretches: ranges, tier: tierNamed(tier), bucket },
        coverages: targets.map(({ coverage }) => coverage),
        stopped: stoppedBy(poison, tier),
      });
      for (const [table, power] of powers) growth.set(`${tier}.${table}`, power);
    }
    return growth;
  }
}

function stoppedBy(poison: readonly Poison[], tier: string): StoppedSequence[] {
  return poison.flatMap((each) => {
    const stream = each.tier === tier ? parseStreamName(each.streamName) : null;
    return stream === null
      ? []
      : [{ tenantId: stream.tenantId, sequenceId: stream.entityId, position: each.position }];
  });
}

function inLogOrder(poison: readonly Poison[]): Poison[] {
  return [...poison].sort((one, other) => (one.position < other.position ? -1 : 1));
}

function censusOf(summaries: readonly RangeSummary[]): { name: string; events: number }[] {
  const events = new Map<string, number>();
  for (const { census } of summaries)
    for (const [name, tally] of Object.entries(census))
      events.set(name, (events.get(name) ?? 0) + tally.events);
  return [...events].map(([name, count]) => ({ name, events: count }));
}
