import type { EventStore, LogRecord } from '../../apps/shared/event-store/event-store';

/** Every record, content too, up to where the log ends now. */
export async function wholeLog(store: EventStore): Promise<LogRecord[]> {
  const records: LogRecord[] = [];
  const { signal } = new AbortController();
  for await (const record of store.readRecords({ after: null, withContent: true, signal }))
    records.push(record);
  return records;
}
