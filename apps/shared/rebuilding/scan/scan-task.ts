import type { MessagePort } from 'node:worker_threads';
import { Pacer } from '../pacer';
import type { ReaderConnections } from './reader-connections';
import type { LogRange, ScanPlan } from './scan-plan';
import { RangeScan, type OnBatch, type RangeScanned } from './scan-range';
import { isRefusal } from './written-once';

/** The same for all tasks of a thread. */
export interface ScanWork {
  readonly plan: ScanPlan;
  readonly connections: ReaderConnections;
  /** Ends a task between two batches, with the reason of the abort. */
  readonly signal: AbortSignal;
}

export interface ScanTask {
  readonly range: LogRange;
  /** See {@link Pacer}. */
  readonly pacer: MessagePort;
}

/** Reads a range, and once more, event by event, where PostgreSQL refuses a row of it. */
export async function scanTask(work: ScanWork, { range, pacer }: ScanTask): Promise<RangeScanned> {
  const pace = new Pacer(pacer);
  const onBatch: OnBatch = async (batch) => {
    await pace.add(batch);
    work.signal.throwIfAborted();
  };
  try {
    const scanned = await scan(work, range, onBatch);
    await pace.end();
    return scanned;
  } finally {
    pacer.close();
  }
}

async function scan(
  { plan, connections, signal }: ScanWork,
  range: LogRange,
  onBatch: OnBatch,
): Promise<RangeScanned> {
  try {
    return await new RangeScan(plan, range, connections).run(onBatch, signal);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return await new RangeScan(plan, range, connections, true).run(onBatch, signal);
  }
}
