import { EventStoreDBClient, jsonEvent, type AllStreamRecordedEvent } from '@eventstore/db-client';
import { startTestPostgres, type TestPostgres } from './postgres';
import { startProcess, type TestProcess } from './processes';

/** The node as its own process over its own database, and a client of it. */
export interface TestNode {
  readonly postgres: TestPostgres;
  readonly databaseUrl: string;
  readonly process: () => TestProcess;
  readonly port: () => number;
  /** Connected to the node as it runs now. */
  readonly client: () => EventStoreDBClient;
  /** Starts the node again over the same database, on the same port, after something killed it. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

const disposeTimeoutMs = 2_000;
export const nodeMain = 'apps/event-store-node/main.js';

export async function startTestNode(): Promise<TestNode> {
  const postgres = await startTestPostgres();
  const databaseUrl = await postgres.createDatabase();
  const start = (port: number): Promise<TestProcess> =>
    startProcess(nodeMain, {
      env: {
        EVENT_STORE_NODE_DATABASE_URL: databaseUrl,
        EVENT_STORE_NODE_PORT: String(port),
        LOG_LEVEL: 'info',
      },
    });
  let running = await start(0).catch(async (error: unknown) => {
    await postgres.stop();
    throw error;
  });
  const port = running.port ?? 0;
  let client = connect(port);
  return {
    postgres,
    databaseUrl,
    process: () => running,
    port: () => port,
    client: () => client,
    restart: async () => {
      await running.exited;
      await client.dispose();
      running = await start(port);
      client = connect(port);
    },
    // Whatever a failed test has left behind: none of these may keep the next from being stopped.
    stop: async () => {
      await Promise.allSettled([bounded(client.dispose()), running.stop()]);
      await postgres.stop();
    },
  };
}

/** A client whose node is frozen or gone may never say that it is done. */
async function bounded(disposed: Promise<void>): Promise<void> {
  let limit: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => (limit = setTimeout(resolve, disposeTimeoutMs)));
  await Promise.race([disposed, timeout]).finally(() => clearTimeout(limit));
}

export function connect(port: number, scheme = 'esdb'): EventStoreDBClient {
  return EventStoreDBClient.connectionString(`${scheme}://127.0.0.1:${port}?tls=false`);
}

export function testEvent(type = 'Happened', data: Record<string, unknown> = {}, id?: string) {
  return jsonEvent({ type, data, ...(id === undefined ? {} : { id }) });
}

/** Everything in `$all`, in order. */
export async function allEvents(client: EventStoreDBClient): Promise<AllStreamRecordedEvent[]> {
  const events: AllStreamRecordedEvent[] = [];
  for await (const { event } of client.readAll()) if (event !== undefined) events.push(event);
  return events;
}
