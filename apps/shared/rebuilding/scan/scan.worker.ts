import { workerData, type MessagePort } from 'node:worker_threads';
import { Pacer } from '../pacer';
import { ReaderConnections } from './reader-connections';
import type { LogRange, ScanPlan } from './scan-plan';
import { RangeScan, type OnBatch, type RangeScanned } from './scan-range';
import { isRefusal } from './written-once';

export interface ScanTask {
  readonly range: LogRange;
  /** See {@link Pacer}. */
  readonly pacer: MessagePort;
}

/** Of this thread, for all its ranges. */
let connections: ReaderConnections | null = null;

/** What a thread of scan-phase.ts runs. */
export default async function scanInThread({ range, pacer }: ScanTask): Promise<RangeScanned> {
  const plan = workerData as ScanPlan;
  connections ??= new ReaderConnections(plan.log);
  const pace = new Pacer(pacer);
  const onBatch: OnBatch = (batch) => pace.add(batch);
  try {
    const scanned = await scan(plan, range, connections, onBatch);
    await pace.end();
    return scanned;
  } finally {
    pacer.close();
  }
}

async function scan(
  plan: ScanPlan,
  range: LogRange,
  opened: ReaderConnections,
  onBatch: OnBatch,
): Promise<RangeScanned> {
  try {
    return await new RangeScan(plan, range, opened).run(onBatch);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return await new RangeScan(plan, range, opened, true).run(onBatch);
  }
}
