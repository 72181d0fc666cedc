import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  PoisonStop,
  type BulkLoadOptions,
  type Bucket,
  type Poison,
  type StoppedSequence,
} from './contracts';
import type { FoldPlan, FoldTask } from './fold.worker';
import type { BucketLoaded } from './load/bucket-to-load';
import { writeDurably, type Run } from './run-manifest';
import { inOrder, Threads, type Batch } from './threads';

type Stopped = readonly (readonly StoppedSequence[])[];

export interface LoadPhase {
  readonly options: BulkLoadOptions;
  readonly run: Run;
  readonly folders: number;
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
  const { options, run, folders, memoryMaxBytes, stopped, onBatch, onBucket } = phase;
  const { signal, pace, tiers } = options;
  const spool = { folder: options.spoolFolder, key: run.key, ranges: run.ranges.length };
  const plan: FoldPlan = { tiers, spool, memoryMaxBytes: Math.floor(memoryMaxBytes / folders) };
  const threads = new Threads<Omit<FoldTask, 'pacer'>, BucketLoaded>({
    ...{ file: join(__dirname, 'fold.worker'), threads: folders, workerData: plan },
    ...{ signal, onBatch, ...(pace ? { pace } : {}) },
  });
  const found: Poison[] = [];
  try {
    await inOrder(tasksOf(phase), folders, async ({ tier, bucket }) => {
      const { poison } = await threads.run({ tier, bucket, stopped: stopped[tier] ?? [] });
      found.push(...poison);
      onBucket();
      return found.length === 0 || options.poison === 'collect';
    });
  } finally {
    await threads.close();
  }
  const [first] = found.sort((one, other) => (one.position < other.position ? -1 : 1));
  if (first !== undefined && options.poison === 'stop') throw new PoisonStop(first);
  return found;
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
