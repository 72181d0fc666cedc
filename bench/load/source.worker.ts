import { workerData, type MessagePort } from 'node:worker_threads';
import { ContentReader } from '../../apps/shared/projecting/content-reader';
import { OwnerPools } from '../../apps/shared/rebuilding/owner-pools';
import { readAhead } from '../../apps/shared/rebuilding/scan/read-ahead';
import { ReaderConnections, type LogAccess } from '../../apps/shared/rebuilding/scan/reader-connections';
import type { LogRange } from '../../apps/shared/rebuilding/scan/scan-plan';

let connections: ReaderConnections | null = null;

/**
 * Reads a range of the log as the scan of a rebuild does, unseals, upcasts, joins and parses content, and does nothing with
 * it. Resolves to the number of records.
 */
export default async function readInThread(task: { range: LogRange; pacer: MessagePort }): Promise<number> {
  const { range, pacer } = task;
  connections ??= new ReaderConnections(workerData as LogAccess, new OwnerPools([]));
  const { store, parser } = connections;
  const batches = store.readBatches({
    ...{ after: range.after, upTo: range.upTo, withContent: true },
    signal: new AbortController().signal,
  });
  let records = 0;
  try {
    for await (const events of readAhead(batches, store, new ContentReader(store, parser))) {
      records += events.length;
      for (const { joined } of events)
        if (joined !== null && 'undecodable' in joined) throw new Error(joined.reason);
    }
    return records;
  } finally {
    pacer.close();
  }
}
