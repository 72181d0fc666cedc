import type { MessagePort } from 'node:worker_threads';
import { projectionTier } from '../../../projections/tiers';
import type { Bucket, StoppedSequence, TierToLoad } from './contracts';
import type { BucketLoaded } from './load/bucket-to-load';
import { loadBucket } from './load/load-bucket';
import type { OwnerPools } from './owner-pools';
import { Pacer } from './pacer';
import { readSpool, type Spool } from './spool/read-spool';

export interface FoldPlan {
  readonly tiers: readonly TierToLoad[];
  readonly spool: Spool;
  /** For one thread alone. */
  readonly memoryMaxBytes: number;
}

/** The same for all tasks of a thread. */
export interface FoldWork {
  readonly plan: FoldPlan;
  readonly owners: OwnerPools;
  /** Ends a task between two blocks of events, with the reason of the abort. */
  readonly signal: AbortSignal;
}

export interface FoldTask {
  /** Its place in the plan. */
  readonly tier: number;
  readonly bucket: Bucket;
  readonly stopped: readonly StoppedSequence[];
  /** See {@link Pacer}. */
  readonly pacer: MessagePort;
}

/** Folds a bucket of a tier and writes its rows into the targets that hold it. */
export async function foldTask({ plan, owners, signal }: FoldWork, task: FoldTask): Promise<BucketLoaded> {
  const { bucket, stopped } = task;
  const { tier, targets } = plan.tiers[task.tier]!;
  const definition = projectionTier(tier);
  if (definition === undefined) throw new Error(`${tier} is no tier with projections`);
  const pace = new Pacer(task.pacer);
  const holdsBucket = ({ coverage: { slots } }: TierToLoad['targets'][number]): boolean =>
    slots.from <= bucket.slots.from && bucket.slots.to <= slots.to;
  try {
    const loaded = await loadBucket({
      ...{ tier: definition, bucket, stopped, memoryMaxBytes: plan.memoryMaxBytes },
      targets: targets
        .filter(holdsBucket)
        .map(({ databaseUrl, schema, coverage }) => ({ pool: owners.of(databaseUrl), schema, coverage })),
      events: () => readSpool(plan.spool, task.tier, bucket.index),
      onBlock: async (events) => {
        await pace.add({ events, bytes: 0 });
        signal.throwIfAborted();
      },
    });
    await pace.end();
    return loaded;
  } finally {
    task.pacer.close();
  }
}
