import { workerData } from 'node:worker_threads';
import { OwnerPools } from '../owner-pools';
import { ReaderConnections } from './reader-connections';
import type { ScanPlan } from './scan-plan';
import type { RangeScanned } from './scan-range';
import { scanTask, type ScanTask, type ScanWork } from './scan-task';

/** Of this thread, for all its ranges. */
let work: ScanWork | null = null;

/** What a thread of scan-phase.ts runs. */
export default function scanInThread(task: ScanTask): Promise<RangeScanned> {
  work ??= begin(workerData as ScanPlan);
  return scanTask(work, task);
}

function begin(plan: ScanPlan): ScanWork {
  const connections = new ReaderConnections(plan.log, new OwnerPools(plan.tiers));
  // The thread is ended as a whole.
  return { plan, connections, signal: new AbortController().signal };
}
