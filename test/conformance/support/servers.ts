import { ANY, EventStoreDBClient, type AppendExpectedRevision } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { testEvent } from '../../support/event-store-node';
import { eventually } from '../../support/eventually';
import { within } from './within';
import { ProtocolClient } from './protocol-client';
import { parseServerAddress, type ServerAddress } from './server-address';
import { embeddedServersVariable, serverUrlVariable } from './server-variables';

/** A server under test, with clients that are closed when its tests are done. */
export interface ConformanceServer {
  readonly name: string;
  /** The embedded node, for which more is promised than a real server keeps. */
  readonly isOurs: boolean;
  readonly address: ServerAddress;
  /** The official client as the URL describes it. */
  client(): EventStoreDBClient;
  /** Another one, with this URL. */
  connect(url?: string): EventStoreDBClient;
  protocol(authorization?: string | null): ProtocolClient;
}

interface ServerUnderTest {
  readonly name: string;
  readonly url: string;
  readonly isOurs: boolean;
}

const disposeTimeoutMs = 2_000;

function serversUnderTest(): ServerUnderTest[] {
  const url = process.env[serverUrlVariable];
  if (url !== undefined) return [{ name: 'the given server', url, isOurs: false }];
  return JSON.parse(process.env[embeddedServersVariable] ?? '[]') as ServerUnderTest[];
}

/**
 * Runs the same tests against each server. `section` is the row of the final table; `define` gets the server whose clients
 * may be used from within the tests.
 */
export function describeOnEachServer(section: string, define: (server: ConformanceServer) => void): void {
  describe.each(serversUnderTest())(`$name › ${section}`, ({ name, url, isOurs }) => {
    const address = parseServerAddress(url);
    const clients: EventStoreDBClient[] = [];
    const protocolClients: ProtocolClient[] = [];
    let shared: EventStoreDBClient | undefined;
    const connect = (clientUrl = url): EventStoreDBClient => {
      const client = EventStoreDBClient.connectionString(clientUrl);
      clients.push(client);
      return client;
    };
    afterAll(async () => {
      for (const client of protocolClients) client.close();
      await Promise.allSettled(
        clients.map((client) => within(disposeTimeoutMs, 'the end of the client', client.dispose())),
      );
    });
    define({
      name,
      isOurs,
      address,
      connect,
      client: () => (shared ??= connect()),
      protocol: (authorization = address.authorization) => {
        const client = new ProtocolClient(address, authorization);
        protocolClients.push(client);
        return client;
      },
    });
  });
}

type Registrar = (name: string, run: () => Promise<void>) => void;

/** A test where `condition` holds; elsewhere it is listed as skipped, with the reason. */
export function onlyIf(condition: boolean, reason: string): Registrar {
  return (name, run) => (condition ? test(name, run) : test.skip(`${name} [skipped: ${reason}]`, run));
}

/** For what event-store.md §4 marks "Ours:": a real server hangs there, or loses an answer. */
export function onlyOnOurNode(server: ConformanceServer, whatARealServerDoes: string): Registrar {
  return onlyIf(server.isOurs, `a real server ${whatARealServerDoes}`);
}

/**
 * Checks a soft-deleted stream that has been written to again. A real server acknowledges that write before it has written
 * the `$metadata` with the new `$tb`: for some milliseconds a read may still see the stream deleted, or what was deleted.
 * The embedded node never shows that, so there the check must hold at once.
 */
export async function onceUndeleted(server: ConformanceServer, check: () => Promise<void>): Promise<void> {
  await (server.isOurs ? check() : eventually(check));
}

/** A name no other test or run has used. */
export function newStream(): string {
  return `conformance-${randomUUID()}`;
}

/** A new stream of one event per letter, typed by it. */
export async function streamOf(client: EventStoreDBClient, types: string): Promise<string> {
  const stream = newStream();
  await appendTypes(client, stream, types);
  return stream;
}

export async function appendTypes(
  client: EventStoreDBClient,
  stream: string,
  types: string,
  expectedRevision: AppendExpectedRevision = ANY,
) {
  return client.appendToStream(
    stream,
    [...types].map((type) => testEvent(type)),
    { expectedRevision },
  );
}

/** The two RPCs that append. Credentials of a call's own make the client take the second. */
export function appendPaths(server: ConformanceServer) {
  const { username = 'nobody', password = 'nothing' } = server.address;
  return [
    ['BatchAppend', {}],
    ['Append', { credentials: { username, password } }],
  ] as const;
}
