import { Pool } from 'pg';
import { loadPeer } from '../parts/peers';
import type { ReadBackEvent } from './acknowledgements';
import type { AppendStore } from './append-store';
import type { EventData, PlannedAppend } from './workload';

const pageSize = 5_000;

/** What this load uses of `@event-driven-io/emmett-postgresql` 0.42. Its stream versions count from 1. */
interface EmmettPostgres {
  readonly getPostgreSQLEventStore: (
    connectionString: string,
    options: { connectionOptions: { pool: Pool } },
  ) => EmmettEventStore;
}
interface EmmettEventStore {
  readonly schema: { migrate(): Promise<unknown> };
  appendToStream(
    streamName: string,
    events: { type: string; data: EventData }[],
    options: { expectedStreamVersion: bigint | 'STREAM_DOES_NOT_EXIST' },
  ): Promise<{ nextExpectedStreamVersion: bigint }>;
  close(): Promise<void>;
}

/** Emmett as its documentation sets it up, with a connection for every append in flight. */
export async function openEmmett(url: string, connectionCount: number): Promise<AppendStore> {
  const { getPostgreSQLEventStore } = loadPeer('@event-driven-io/emmett-postgresql') as EmmettPostgres;
  const pool = new Pool({ connectionString: url, max: connectionCount });
  // It does not wait for its idle connections as it ends; the server then ends them with the database.
  pool.on('error', () => undefined);
  const store = getPostgreSQLEventStore(url, { connectionOptions: { pool } });
  await store.schema.migrate();
  return {
    append: async ({ streamName, expected, events }: PlannedAppend) => {
      const { nextExpectedStreamVersion } = await store.appendToStream(
        streamName,
        events.map(({ type, data }) => ({ type, data })),
        { expectedStreamVersion: expected < 0 ? 'STREAM_DOES_NOT_EXIST' : BigInt(expected + 1) },
      );
      const version = BigInt(expected + 1 + events.length);
      if (nextExpectedStreamVersion !== version)
        throw new Error(`${streamName}: acknowledged at ${nextExpectedStreamVersion}, not at ${version}`);
    },
    readBack: () => readBack(pool),
    close: async () => {
      await store.close();
      await pool.end();
    },
  };
}

interface MessageRow {
  readonly global_position: string;
  readonly stream_id: string;
  readonly stream_position: string;
  readonly message_data: EventData;
}

/** It gives events ids of its own; ours travels in the data. */
async function* readBack(pool: Pool): AsyncGenerator<ReadBackEvent> {
  for (let after = '0'; ;) {
    const { rows } = await pool.query<MessageRow>(
      `select global_position, stream_id, stream_position, message_data from emt_messages
       where global_position > $1 order by global_position limit $2`,
      [after, pageSize],
    );
    for (const row of rows)
      yield {
        streamName: row.stream_id,
        revision: Number(row.stream_position) - 1,
        position: BigInt(row.global_position),
        id: row.message_data.eventId,
        data: row.message_data,
      };
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.global_position;
  }
}
