import { CallFailed } from './call-errors';
import { findNode } from './cluster';
import type { ConnectionSettings, NodeAddress } from './connection-settings';
import { DeliveryWatch } from './delivery-watch';
import { LogMismatch } from './event-store';
import { NodeConnection } from './node-connection';
import {
  decodeReadMessage,
  lastRecordRequest,
  recordAtRequest,
  readPath,
  subscriptionRequest,
  type ReadMessage,
  type RecordFilter,
} from './read-protocol';
import type { StoredRecord } from './stored-record';

/** Negative, so that a type this build does not know still arrives, to be parked. */
const withoutContent: RecordFilter = { types: '^(?!\\$|MessageContentStored$)' };

/** A reader that is busy finds thousands of messages waiting: decoded together they would be held together. */
const decodedAtOnce = 64;

/** What the server need not send. All that has content is sent whole: that costs it no look at each type. */
export function typeFilter(withContent: boolean): RecordFilter {
  return withContent ? null : withoutContent;
}

/** Finds the node to read from, and learns from its failures. */
export class NodeFinder {
  private leader: NodeAddress | null = null;

  constructor(
    readonly settings: ConnectionSettings,
    readonly callTimeoutMs: number,
  ) {}

  async connect(): Promise<NodeConnection> {
    return new NodeConnection(this.settings, this.leader ?? (await findNode(this.settings)));
  }

  /** To be told why a connection was of no use. */
  failed(error: unknown): void {
    this.leader = error instanceof CallFailed ? error.leader : null;
  }
}

export interface SubscriptionRequest {
  /** Exclusive; `null` is the start. Where the event is named, the log must have that very one there. */
  readonly after: { readonly position: bigint; readonly eventId?: string } | null;
  readonly filter: RecordFilter;
  readonly signal: AbortSignal;
}

/**
 * One subscription to `$all`, on a connection of its own: it takes no stream from other calls, slows none down, and takes
 * none along when it fails. Ends by throwing, or quietly when aborted. Does not go on by itself. A server that falls
 * silent though it has records is noticed within ten seconds (reliability.md F12).
 */
export async function* recordSubscription(
  nodes: NodeFinder,
  { after, filter, signal }: SubscriptionRequest,
): AsyncGenerator<ReadMessage[]> {
  const connection = await nodes.connect();
  const { callTimeoutMs: silenceMs } = nodes;
  const watch = new DeliveryWatch(after?.position ?? null, {
    lastPosition: () => lastPosition(connection, filter, silenceMs),
    onSilence: (error) => connection.close(error),
  });
  const abort = (): void => connection.close();
  signal.addEventListener('abort', abort, { once: true });
  try {
    if (signal.aborted) return;
    if (after?.eventId !== undefined)
      await demandRecord(connection, after.position, after.eventId, silenceMs);
    const request = subscriptionRequest(after?.position ?? null, filter);
    const call = connection.call({
      ...{ path: readPath, request, silenceMs, isOpenEnded: true },
      requiresLeader: wantsLeader(connection),
    });
    for await (const bodies of call)
      for (let next = 0; next < bodies.length; next += decodedAtOnce) {
        const messages = bodies.slice(next, next + decodedAtOnce).map(decodeReadMessage);
        watch.delivered(messages);
        yield messages;
        watch.wait();
      }
    throw new CallFailed(0, 'the event store ended the subscription');
  } catch (error) {
    if (signal.aborted) return;
    nodes.failed(error);
    throw error;
  } finally {
    watch.stop();
    signal.removeEventListener('abort', abort);
    connection.close();
  }
}

/** Of the last record that the filter lets through; `null` when there is none. */
export async function lastPosition(
  connection: NodeConnection,
  filter: RecordFilter,
  silenceMs: number,
): Promise<bigint | null> {
  return (await readOne(connection, lastRecordRequest(filter), silenceMs))?.position ?? null;
}

/** A checkpoint holds in one log only; another log, or a restored one, has another event there, or none. */
async function demandRecord(
  connection: NodeConnection,
  position: bigint,
  eventId: string,
  silenceMs: number,
): Promise<void> {
  const found = await readOne(connection, recordAtRequest(position), silenceMs);
  if (found?.position === position && found.id === eventId) return;
  throw new LogMismatch(
    `the log has ${found ? `event ${found.id}` : 'no event'} at position ${position}, the checkpoint names ${eventId}: this is another log, or a restored one`,
  );
}

async function readOne(
  connection: NodeConnection,
  request: Buffer,
  silenceMs: number,
): Promise<StoredRecord | null> {
  let record: StoredRecord | null = null;
  const requiresLeader = wantsLeader(connection);
  for await (const bodies of connection.call({ path: readPath, request, silenceMs, requiresLeader })) {
    for (const message of bodies.map(decodeReadMessage))
      if (message.kind === 'record') record = message.record;
  }
  return record;
}

/** A follower drops subscribers that are no slower than others (event-store.md §4.2). */
function wantsLeader({ settings }: NodeConnection): boolean {
  return settings.nodePreference === 'leader';
}
