import { EventStoreDBClient, StreamNotFoundError, type ResolvedEvent } from '@eventstore/db-client';
import type { LogDump, LoggedEvent } from './history';

/**
 * Reads `$all`, and each stream in it or in `alsoStreams` by itself. By the bare client: what the store makes of events is not
 * in question here, and the two readings must not share more than the node.
 */
export async function readLog(url: string, alsoStreams: Iterable<string>): Promise<LogDump> {
  const client = EventStoreDBClient.connectionString(url);
  try {
    const all: LoggedEvent[] = [];
    for await (const { event } of client.readAll()) all.push(...loggedEvents(event));
    const streams = new Map<string, LoggedEvent[]>();
    for (const name of new Set([...all.map(({ stream }) => stream), ...alsoStreams]))
      streams.set(name, await readStream(client, name));
    return { all, streams };
  } finally {
    await client.dispose();
  }
}

async function readStream(client: EventStoreDBClient, name: string): Promise<LoggedEvent[]> {
  const events: LoggedEvent[] = [];
  try {
    for await (const { event } of client.readStream(name)) events.push(...loggedEvents(event));
  } catch (error) {
    // All that was ever tried on it may have been refused.
    if (!(error instanceof StreamNotFoundError)) throw error;
  }
  return events;
}

function loggedEvents(event: ResolvedEvent['event']): LoggedEvent[] {
  // A log begins with an event of its own, as on a real node, and nobody here appended that.
  if (event === undefined || event.streamId.startsWith('$')) return [];
  const { id, type, streamId, revision, position, metadata } = event;
  const { commandId } = (metadata ?? {}) as { commandId?: string };
  return [
    {
      position: Number(position?.commit ?? -1n),
      stream: streamId,
      revision: Number(revision),
      eventId: id,
      commandId: commandId ?? '',
      type,
    },
  ];
}
