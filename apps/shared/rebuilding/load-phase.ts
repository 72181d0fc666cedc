import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  PoisonStop,
  type BulkLoadOptions,
  type Bucket,
  type Poison,
  type StoppedSequence,
} from './contracts';
import { foldTask, type FoldPlan, type FoldTask } from './fold-task';
import { InProcess } from './in-process';
import type { BucketLoaded } from './load/bucket-to-load';
import type { OwnerPools } from './owner-pools';
import type { Batch } from './pacer';
import { writeDurably, type Run } from './run-manifest';
import { inOrder, Threads, type Workers } from './threads';

type Stopped = readonly (readonly StoppedSequence[])[];

export interface LoadPhase {
  readonly options: BulkLoadOptions;
  readonly run: Run;
  readonly folders: number;
  /** Set: this process itself folds, over these. */
  readonly inProcess: OwnerPools | null;
  readonly memoryMaxBytes: number;
  /** By the tier's place in the run. */
  readonly stopped: Stopped;
  readonly onBatch: (batch: Batch) => void;
  readonly onBucket: () => void;
}

/** What folding a bucket of a tier comes to, in the order that keeps all threads busy: tiers take turns. */
function tasksOf({ options, run }: LoadPhase): { tier: number; bucket: Bucket }[] {
  return run.buckets.flatMap((bucket) => options.tiers.map((_, tier) => ({ tier, bucket })));
}

/**
 * Folds every bucket of every tier that is not done yet. Resolves to the poison that only rows have shown, if any: nothing of
 * it is applied then, and the caller begins again with those sequences stopped. Throws {@link PoisonStop} where none is
 * accepted, and what PostgreSQL throws.
 */
export async function loadBuckets(phase: LoadPhase): Promise<Poison[]> {
  const { options, folders, stopped, onBucket } = phase;
  const workers = workersFor(phase);
  const found: Poison[] = [];
  try {
    await inOrder(tasksOf(phase), folders, async ({ tier, bucket }) => {
      const { poison } = await workers.run({ tier, bucket, stopped: stopped[tier] ?? [] });
      found.push(...poison);
      onBucket();
      return found.length === 0 || options.poison === 'collect';
    });
  } finally {
    await workers.close();
  }
  const [first] = found.sort((one, other) => (one.position < other.position ? -1 : 1));
  if (first !== undefined && options.poison === 'stop') throw new PoisonStop(first);
  return found;
}

function workersFor(phase: LoadPhase): Workers<Omit<FoldTask, 'pacer'>, BucketLoaded> {
  const { options, run, folders, inProcess, memoryMaxBytes, onBatch } = phase;
  const { signal, pace, tiers } = options;
  const spool = { folder: options.spoolFolder, key: run.key, ranges: run.ranges.length };
  const plan: FoldPlan = { tiers, spool, memoryMaxBytes: Math.floor(memoryMaxBytes / folders) };
  const pacing = { onBatch, ...(pace ? { pace } : {}) };
  if (inProcess !== null)
    return new InProcess((task) => foldTask({ plan, owners: inProcess, signal }, task), pacing);
  const file = join(__dirname, 'fold.worker');
  return new Threads({ file, threads: folders, workerData: plan, signal, ...pacing });
}

/** Poison that rows have shown, kept beside the spool: what is loaded after a kill must know of it. */
export class RowPoison {
  private readonly file: string;

  constructor(folder: string) {
    this.file = join(folder, 'row-poison.json');
  }

  read(): Poison[] {
    if (!existsSync(this.file)) return [];
    const stored = JSON.parse(readFileSync(this.file, 'utf8')) as (Omit<Poison, 'position'> & {
      position: string;
    })[];
    return stored.map((poison) => ({ ...poison, position: BigInt(poison.position) }));
  }

  add(poison: readonly Poison[]): void {
    const all = [...this.read(), ...poison];
    writeDurably(
      this.file,
      JSON.stringify(all.map((each) => ({ ...each, position: each.position.toString() }))),
    );
  }
}
