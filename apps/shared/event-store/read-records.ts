import type { MailfoldEvent } from '../../../domain/catalogue.events';
import { backOff } from './backoff';
import { EventStoreUnavailable, type LogRecord, type RecordReadOptions } from './event-store';
import { isServersOwn } from './log-record';
import type { ReadMessage, RecordFilter } from './read-protocol';
import { lastPosition, recordSubscription, typeFilter, type NodeFinder } from './record-subscription';

/** With a filter by streams the server sends it all the same. */
const contentType: MailfoldEvent['type'] = 'MessageContentStored';
/** Without any progress for so long, somebody has to look. */
const patienceMs = 60_000;

/** See `EventStore.readRecords`. */
export async function* readRecords(
  nodes: NodeFinder,
  options: RecordReadOptions,
  onReconnect: ((error: unknown) => void) | undefined,
): AsyncGenerator<LogRecord> {
  for await (const records of readRecordBatches(nodes, options, onReconnect)) yield* records;
}

/**
 * {@link readRecords}, as many at a time as come together: a step per record costs as much as to read it. Read by a subscription, because that one tells how far it has looked while nothing matches
 * its filter. The end is settled first; a read that has not seen a record there or behind has not ended.
 */
export async function* readRecordBatches(
  nodes: NodeFinder,
  { after, upTo, withContent, streamPrefixes, signal }: RecordReadOptions,
  onReconnect: ((error: unknown) => void) | undefined,
): AsyncGenerator<readonly LogRecord[]> {
  const filter = streamPrefixes === undefined ? typeFilter(withContent) : { streamPrefixes };
  const isWanted = (record: LogRecord): boolean =>
    !isServersOwn(record) && (withContent || record.type !== contentType);
  let last = after;
  let bound = upTo;
  let heardAt = Date.now();
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      // Asked for anew each time: what was the end may have been scavenged since.
      const end = await endOfLog(nodes, filter);
      if (end === null || (last !== null && last >= end)) return;
      bound = bound === undefined || end < bound ? end : bound;
      if (last !== null && last >= bound) return;
      const from = last === null ? null : { position: last };
      for await (const messages of recordSubscription(nodes, { after: from, filter, signal })) {
        const records: LogRecord[] = [];
        let hasEnded = false;
        for (const message of messages) {
          // A confirmation alone is no progress.
          if (message.kind !== 'other') failures = 0;
          if (message.kind === 'record' && message.record.position <= bound) {
            last = message.record.position;
            if (isWanted(message.record)) records.push(message.record);
          }
          hasEnded ||= isBehind(message, bound);
        }
        if (records.length > 0) yield records;
        if (hasEnded) return;
        if (messages.some(({ kind }) => kind !== 'other')) heardAt = Date.now();
      }
    } catch (error) {
      if (Date.now() - heardAt > patienceMs)
        throw new EventStoreUnavailable('the log cannot be read', { cause: error });
      onReconnect?.(error);
    }
    await backOff(failures, signal);
  }
}

async function endOfLog(nodes: NodeFinder, filter: RecordFilter): Promise<bigint | null> {
  const connection = await nodes.connect();
  try {
    return await lastPosition(connection, filter, nodes.callTimeoutMs);
  } catch (error) {
    nodes.failed(error);
    throw error;
  } finally {
    connection.close();
  }
}

/** Whether everything up to the bound has come with this message. */
function isBehind(message: ReadMessage, bound: bigint): boolean {
  if (message.kind === 'record') return message.record.position >= bound;
  if (message.kind === 'checkpoint') return message.position >= bound;
  return message.kind === 'caught-up';
}
