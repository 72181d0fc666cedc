import { workerData, type MessagePort } from 'node:worker_threads';
import { ContentReader } from '../../apps/shared/projecting/content-reader';
import type { ReadableEvent } from '../../apps/shared/projecting/fold-event';
import type { LogToRead } from '../../apps/shared/rebuilding/contracts';
import { ReaderConnections } from '../../apps/shared/rebuilding/scan/reader-connections';
import type { LogRange } from '../../apps/shared/rebuilding/scan/scan-plan';

/** As many as the scan of a rebuild keeps under way (scan-range.ts). */
const inFlightMax = 32;

let connections: ReaderConnections | null = null;

/**
 * Reads a range of the log as the scan of a rebuild does, unseals, upcasts, joins and parses content, and does nothing with
 * it. Resolves to the number of records.
 */
export default async function readInThread(task: { range: LogRange; pacer: MessagePort }): Promise<number> {
  const { range, pacer } = task;
  connections ??= new ReaderConnections(workerData as LogToRead);
  const { store, parser } = connections;
  const content = new ContentReader(store, parser);
  const inFlight: Promise<ReadableEvent | null>[] = [];
  let records = 0;
  try {
    for await (const record of store.readRecords({
      ...{ after: range.after, upTo: range.upTo, withContent: true },
      signal: new AbortController().signal,
    })) {
      records += 1;
      inFlight.push(content.join(await store.open(record)));
      if (inFlight.length > inFlightMax) refusePoison(await inFlight.shift());
    }
    for (const event of inFlight) refusePoison(await event);
    return records;
  } finally {
    pacer.close();
  }
}

function refusePoison(event: ReadableEvent | null | undefined): void {
  if (event !== null && event !== undefined && 'undecodable' in event) throw new Error(event.reason);
}
