import { once } from 'node:events';
import { workerData, type MessagePort } from 'node:worker_threads';
import { ReaderConnections } from './reader-connections';
import type { LogRange, ScanPlan } from './scan-plan';
import { RangeScan, type OnBatch, type RangeScanned } from './scan-range';
import { isRefusal } from './written-once';

export interface ScanTask {
  readonly range: LogRange;
  /** Told of every batch; answers when the next one may follow. */
  readonly pacer: MessagePort;
}

/** Of this thread, for all its ranges. */
let connections: ReaderConnections | null = null;

/** What a thread of scan-phase.ts runs. */
export default async function scanInThread({ range, pacer }: ScanTask): Promise<RangeScanned> {
  const plan = workerData as ScanPlan;
  connections ??= new ReaderConnections(plan.log);
  const onBatch: OnBatch = async (batch) => {
    pacer.postMessage(batch);
    await once(pacer, 'message');
  };
  try {
    return await new RangeScan(plan, range, connections).run(onBatch);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return await new RangeScan(plan, range, connections, true).run(onBatch);
  } finally {
    pacer.close();
  }
}
