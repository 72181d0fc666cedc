import { workerData, type MessagePort } from 'node:worker_threads';
import type { Pool } from 'pg';
import { projectionTier } from '../../../projections/tiers';
import type { Bucket, StoppedSequence, TierToLoad } from './contracts';
import type { BucketLoaded } from './load/bucket-to-load';
import { loadBucket } from './load/load-bucket';
import { loaderPool } from './load/loader-pool';
import { Pacer } from './pacer';
import { readSpool, type Spool } from './spool/read-spool';

/** The same for all tasks of a thread. */
export interface FoldPlan {
  readonly tiers: readonly TierToLoad[];
  readonly spool: Spool;
  /** For this thread alone. */
  readonly memoryMaxBytes: number;
}

export interface FoldTask {
  /** Its place in the plan. */
  readonly tier: number;
  readonly bucket: Bucket;
  readonly stopped: readonly StoppedSequence[];
  /** See {@link Pacer}. */
  readonly pacer: MessagePort;
}

const pools = new Map<string, Pool>();

/** What a thread of bulk-load.ts runs in the load phase. */
export default async function foldInThread(task: FoldTask): Promise<BucketLoaded> {
  const plan = workerData as FoldPlan;
  const { tier, targets } = plan.tiers[task.tier]!;
  const definition = projectionTier(tier);
  if (definition === undefined) throw new Error(`${tier} is no tier with projections`);
  const pace = new Pacer(task.pacer);
  try {
    const loaded = await loadBucket({
      tier: definition,
      bucket: task.bucket,
      stopped: task.stopped,
      targets: targets
        .filter(
          ({ coverage: { slots } }) =>
            slots.from <= task.bucket.slots.from && task.bucket.slots.to <= slots.to,
        )
        .map(({ databaseUrl, schema, coverage }) => ({
          pool: poolOf(databaseUrl, targets.length),
          ...{ schema, coverage },
        })),
      events: () => readSpool(plan.spool, task.tier, task.bucket.index),
      memoryMaxBytes: plan.memoryMaxBytes,
      onBlock: (events) => pace.add({ events, bytes: 0 }),
    });
    await pace.end();
    return loaded;
  } finally {
    task.pacer.close();
  }
}

function poolOf(databaseUrl: string, connections: number): Pool {
  let pool = pools.get(databaseUrl);
  if (pool === undefined) pools.set(databaseUrl, (pool = loaderPool(databaseUrl, connections)));
  return pool;
}
