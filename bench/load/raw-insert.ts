import { Client } from 'pg';
import type { ReadBackEvent } from './acknowledgements';
import type { AppendStore } from './append-store';
import type { EventData, PlannedAppend } from './workload';

const pageSize = 5_000;

/**
 * The least a log in PostgreSQL can be: a primary key for its order, a unique key for the exact revision, the event as text.
 * One `INSERT` of one event is one transaction; no connection waits for another.
 */
export async function openRawInsert(url: string, connectionCount: number): Promise<AppendStore> {
  const clients = Array.from({ length: connectionCount }, () => new Client({ connectionString: url }));
  await Promise.all(clients.map((client) => client.connect()));
  const [first] = clients;
  if (first === undefined) throw new Error('raw inserts need a connection');
  await first.query(`create table if not exists events (
    position bigserial primary key, id uuid not null, stream text not null, version bigint not null,
    type text not null, data text not null, unique (stream, version))`);
  const idle = [...clients];
  return {
    append: async ({ streamName, expected, events }: PlannedAppend) => {
      // There are as many callers as connections.
      const client = idle.pop();
      if (client === undefined) throw new Error('more inserts at a time than connections');
      for (const [index, { id, type, data }] of events.entries()) {
        await client.query({
          name: 'insert',
          text: 'insert into events (id, stream, version, type, data) values ($1, $2, $3, $4, $5)',
          values: [id, streamName, expected + 1 + index, type, JSON.stringify(data)],
        });
      }
      idle.push(client);
    },
    readBack: () => readBack(first),
    close: async () => {
      await Promise.all(clients.map((client) => client.end()));
    },
  };
}

interface EventRow {
  readonly position: string;
  readonly id: string;
  readonly stream: string;
  readonly version: string;
  readonly data: string;
}

async function* readBack(client: Client): AsyncGenerator<ReadBackEvent> {
  for (let after = '0'; ;) {
    const { rows } = await client.query<EventRow>(
      'select position, id, stream, version, data from events where position > $1 order by position limit $2',
      [after, pageSize],
    );
    for (const { position, stream, version, id, data } of rows)
      yield {
        streamName: stream,
        revision: Number(version),
        position: BigInt(position),
        id,
        data: JSON.parse(data) as Partial<EventData>,
      };
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.position;
  }
}
