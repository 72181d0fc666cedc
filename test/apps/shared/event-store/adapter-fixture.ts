import { randomBytes, randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import {
  createEventStore,
  type EventStoreOptions,
} from '../../../../apps/shared/event-store/esdb-event-store';
import type {
  EventStore,
  EventToAppend,
  LogMessage,
  LogReadOptions,
} from '../../../../apps/shared/event-store/event-store';
import { eventId } from '../../../../apps/shared/ids/uuid-v5';
import { createKeyRing, type KeyRing } from '../../../../apps/shared/keys/key-ring';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { startTestNode, type TestNode } from '../../../support/event-store-node';

export const tenantId = randomUUID();

/** A node, keys in a database beside its log, and adapters connected to both. */
export interface AdapterFixture {
  readonly node: TestNode;
  readonly keys: KeyRing;
  /** A new adapter; closed by {@link stop}. */
  connect(options?: Partial<EventStoreOptions>): EventStore;
  /** SIGKILL, then the node again over the same log, on the same port. */
  killAndRestart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startAdapterFixture(): Promise<AdapterFixture> {
  const node = await startTestNode();
  const keysUrl = await node.postgres.createDatabase();
  await migrate(keysUrl, 'keys');
  const pool: Pool = createPool(keysUrl, {
    applicationName: 'event-store-test',
    maxConnections: 4,
    statementTimeoutMs: 10_000,
    queryTimeoutMs: 10_000,
    connectionTimeoutMs: 10_000,
  });
  const keys = createKeyRing({ pool, rootKey: randomBytes(32) });
  const stores: EventStore[] = [];
  return {
    node,
    keys,
    connect: (options) => {
      const store = createEventStore({ url: node.url(), keys, callTimeoutMs: 1_000, ...options });
      stores.push(store);
      return store;
    },
    killAndRestart: async () => {
      node.process().kill('SIGKILL');
      await node.restart();
    },
    stop: async () => {
      await Promise.all(stores.map((store) => store.close()));
      await pool.end();
      await node.stop();
    },
  };
}

/** The `index`-th change of a user's role; the same command id makes the same event id. */
export function roleChanged(userId: string, index: number, commandId: string = randomUUID()): EventToAppend {
  const event: MailfoldEvent = {
    type: 'UserRoleChanged',
    data: { userId, from: index % 2 ? 'agent' : 'viewer', to: index % 2 ? 'viewer' : 'agent' },
  };
  return { id: eventId(commandId, 0), event, metadata: metadataOf(commandId) };
}

/** A chunk of a mail's content, sealed on its way into the log. */
export function contentStored(bytes: Uint8Array, commandId: string = randomUUID()): EventToAppend {
  return {
    id: eventId(commandId, 0),
    event: { type: 'MessageContentStored', data: { chunk: 0, bytes } },
    metadata: metadataOf(commandId),
  };
}

function metadataOf(commandId: string): EventToAppend['metadata'] {
  return {
    tenantId,
    schemaVersion: 1,
    occurredAt: '2026-11-21T10:00:00.000Z',
    actor: { kind: 'system', id: null },
    commandId,
    $correlationId: commandId,
    $causationId: commandId,
  };
}

/** What a reader has got so far. */
export interface Seen {
  kinds(): string[];
  positions(): bigint[];
  revisionsOf(stream: string): number[];
  stop(): Promise<void>;
}

/** Subscribes, and collects all that comes. */
export function collect(store: EventStore, options: Partial<LogReadOptions> = {}): Seen {
  const messages: LogMessage[] = [];
  const abort = new AbortController();
  const reading = (async () => {
    const all = { after: null, withContent: false, signal: abort.signal, ...options };
    for await (const message of store.subscribe(all)) messages.push(message);
  })();
  const events = () => messages.flatMap((message) => (message.kind === 'event' ? [message.event] : []));
  return {
    kinds: () => messages.map(({ kind }) => kind),
    positions: () => events().map(({ position }) => position),
    revisionsOf: (stream) =>
      events().flatMap((event) => (event.streamName === stream ? [event.revision] : [])),
    stop: async () => {
      abort.abort();
      await reading;
    },
  };
}
