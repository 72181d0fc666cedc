import {
  BACKWARDS,
  END,
  START,
  type AllStreamResolvedEvent,
  type StreamingRead,
} from '@eventstore/db-client';
import { backOff } from './backoff';
import { CallTimedOut, ClientDiscarded, spoilsTheClient } from './client-errors';
import type { ClientHolder } from './client-pool';
import { EventStoreUnavailable, type LogRecord, type RecordReadOptions } from './event-store';
import { asLogRecord, isServersOwn } from './log-record';

export interface RecordReading {
  /** A read that brings nothing for so long is given up and made again. */
  readonly callTimeoutMs: number;
  readonly onReconnect?: ((error: unknown) => void) | undefined;
}

/** Without a single record for so long, somebody has to look. */
const patienceMs = 60_000;

/**
 * See `EventStore.readRecords`. A read that is cut off can look like one that has come to its end (docs/adr/0009). So the
 * end is settled first, by a read of its own, and this one has not ended before it has seen a record there or behind.
 */
export async function* readRecords(
  holder: ClientHolder,
  { after, upTo, withContent, signal }: RecordReadOptions,
  { callTimeoutMs, onReconnect }: RecordReading,
): AsyncGenerator<LogRecord> {
  let last = after;
  let bound = upTo;
  let progressAt = Date.now();
  for (let failures = 0; !signal.aborted; failures++) {
    try {
      const end = await lastPosition(holder, callTimeoutMs);
      // Asked for anew each time: what a read found to be the end may have been scavenged since.
      bound = bound === undefined || end === null || end < bound ? (end ?? undefined) : bound;
      if (bound === undefined || (last !== null && last >= bound)) return;
      for await (const record of readForwards(holder, last, callTimeoutMs, signal)) {
        if (record.position > bound || signal.aborted) return;
        failures = 0;
        last = record.position;
        if (isWanted(record, withContent)) yield record;
        if (record.position === bound) return;
        progressAt = Date.now();
      }
    } catch (error) {
      if (Date.now() - progressAt > patienceMs)
        throw new EventStoreUnavailable('the log cannot be read', { cause: error });
      onReconnect?.(error);
    }
    await backOff(failures, signal);
  }
}

function isWanted(record: LogRecord, withContent: boolean): boolean {
  return !isServersOwn(record) && (withContent || record.type !== 'MessageContentStored');
}

/** Of the last record of all, the server's own included. */
function lastPosition(holder: ClientHolder, callTimeoutMs: number): Promise<bigint | null> {
  return holder.read(callTimeoutMs, async (client) => {
    const read = client.readAll({
      direction: BACKWARDS,
      fromPosition: END,
      maxCount: 1,
      requiresLeader: true,
    });
    let position: bigint | null = null;
    for await (const { event } of read) position = event?.position?.commit ?? null;
    return position;
  });
}

/** One read behind `after`; throws when it is cut off in a way that can be told from its end, or falls silent. */
async function* readForwards(
  holder: ClientHolder,
  after: bigint | null,
  silenceMs: number,
  signal: AbortSignal,
): AsyncGenerator<LogRecord> {
  const client = holder.current();
  const read = client.readAll({
    fromPosition: after === null ? START : { commit: after, prepare: after },
    requiresLeader: true,
  });
  const abort = (): void => void read.destroy();
  const stopListening = holder.onDiscard(client, () => read.destroy(new ClientDiscarded()));
  const silence = new SilenceWatch(silenceMs, () => read.destroy(new CallTimedOut(silenceMs)));
  signal.addEventListener('abort', abort, { once: true });
  try {
    for await (const resolved of read) {
      silence.pause();
      const record = asLogRecord(resolved);
      if (record && record.position !== after) yield record;
      silence.resume();
    }
  } catch (error) {
    if (signal.aborted) return;
    if (spoilsTheClient(error)) holder.discard(client);
    throw error;
  } finally {
    silence.stop();
    stopListening();
    signal.removeEventListener('abort', abort);
    cancel(read);
  }
}

function cancel(read: StreamingRead<AllStreamResolvedEvent>): void {
  read.cancel().catch(() => undefined);
}

/** Tells when the server, and not the consumer, has kept us waiting. */
class SilenceWatch {
  private waitingSince: number | null = Date.now();
  private readonly timer: NodeJS.Timeout;

  constructor(silenceMs: number, onSilence: () => void) {
    this.timer = setInterval(() => {
      if (this.waitingSince !== null && Date.now() - this.waitingSince >= silenceMs) onSilence();
    }, silenceMs / 4);
  }

  pause(): void {
    this.waitingSince = null;
  }

  resume(): void {
    this.waitingSince = Date.now();
  }

  stop(): void {
    clearInterval(this.timer);
  }
}
