import {
  BACKWARDS,
  binaryEvent,
  END,
  EventStoreDBClient,
  FORWARDS,
  jsonEvent,
  NO_STREAM,
  START,
  type EventData,
} from '@eventstore/db-client';
import { decodeBodiesNatively } from '../../apps/shared/event-store/client-internals';
import type { ReadBackEvent } from './acknowledgements';
import type { AppendStore } from './append-store';
import type { EventData as WorkloadData, PlannedAppend, PlannedEvent } from './workload';

export interface EventStoreClientOptions {
  readonly url: string;
  readonly binary: boolean;
}

/** Any server that speaks the protocol, through the official client as our processes use it. */
export async function openEventStoreClient(options: EventStoreClientOptions): Promise<AppendStore> {
  decodeBodiesNatively();
  const client = EventStoreDBClient.connectionString(options.url);
  const end = await endOfLog(client);
  const encode = options.binary ? asBinaryEvent : asJsonEvent;
  return {
    append: async ({ streamName, expected, events }: PlannedAppend) => {
      const { nextExpectedRevision } = await client.appendToStream(streamName, events.map(encode), {
        expectedRevision: expected < 0 ? NO_STREAM : BigInt(expected),
      });
      const revision = BigInt(expected + events.length);
      if (nextExpectedRevision !== revision)
        throw new Error(`${streamName}: acknowledged at ${nextExpectedRevision}, not at ${revision}`);
    },
    readBack: () => readBack(client, end),
    close: () => client.dispose(),
  };
}

type Position = { readonly commit: bigint; readonly prepare: bigint };

async function endOfLog(client: EventStoreDBClient): Promise<Position | undefined> {
  let end: Position | undefined;
  // Read to its end although it has one event only: client 6.2.1 cannot be disposed of after a read that was left early.
  for await (const { event } of client.readAll({ direction: BACKWARDS, fromPosition: END, maxCount: 1 }))
    end = event?.position;
  return end;
}

async function* readBack(
  client: EventStoreDBClient,
  after: Position | undefined,
): AsyncGenerator<ReadBackEvent> {
  for await (const { event } of client.readAll({ direction: FORWARDS, fromPosition: after ?? START })) {
    if (event === undefined || event.position.commit === after?.commit) continue;
    if (event.streamId.startsWith('$')) continue;
    yield {
      streamName: event.streamId,
      revision: Number(event.revision),
      position: event.position.commit,
      id: event.id,
      ...(event.isJson ? { data: event.data as Partial<WorkloadData> } : {}),
    };
  }
}

function asJsonEvent({ id, type, data }: PlannedEvent): EventData {
  return jsonEvent({ id, type, data: { ...data } });
}

function asBinaryEvent({ id, type, data }: PlannedEvent): EventData {
  return binaryEvent({ id, type, data: Buffer.from(JSON.stringify(data)) });
}
