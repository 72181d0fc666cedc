import { workerData } from 'node:worker_threads';
import { foldTask, type FoldPlan, type FoldTask, type FoldWork } from './fold-task';
import type { BucketLoaded } from './load/bucket-to-load';
import { OwnerPools } from './owner-pools';

/** Of this thread, for all its buckets. */
let work: FoldWork | null = null;

/** What a thread of load-phase.ts runs. */
export default function foldInThread(task: FoldTask): Promise<BucketLoaded> {
  work ??= begin(workerData as FoldPlan);
  return foldTask(work, task);
}

function begin(plan: FoldPlan): FoldWork {
  // The thread is ended as a whole.
  return { plan, owners: new OwnerPools(plan.tiers), signal: new AbortController().signal };
}
