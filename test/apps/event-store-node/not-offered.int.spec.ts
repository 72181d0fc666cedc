import { readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MonitoringClient } from '@eventstore/db-client/generated/monitoring_grpc_pb';
import { StatsReq } from '@eventstore/db-client/generated/monitoring_pb';
import { OperationsClient } from '@eventstore/db-client/generated/operations_grpc_pb';
import { StartScavengeReq } from '@eventstore/db-client/generated/operations_pb';
import { UsersClient } from '@eventstore/db-client/generated/users_grpc_pb';
import { DetailsReq } from '@eventstore/db-client/generated/users_pb';
import {
  EventStoreDBClient,
  eventTypeFilter,
  persistentSubscriptionToStreamSettingsFromDefaults,
} from '@eventstore/db-client';
import {
  Client,
  compressionAlgorithms,
  credentials,
  status,
  type ClientOptions,
  type ServiceError,
} from '@grpc/grpc-js';
import { emptyMessage } from '../../../apps/shared/protobuf/protobuf-writer';
import { startTestNode, testEvent, type TestNode } from '../../support/event-store-node';
import { createTestCertificates } from '../../support/tls-certificates';

let plain: TestNode;
let secure: TestNode;
let folder: string;
beforeAll(async () => {
  [plain, secure] = await Promise.all([startTestNode(), startTestNode({ secure: true })]);
  folder = await mkdtemp(join(tmpdir(), 'mf-'));
});
afterAll(async () => {
  await Promise.all([plain?.stop(), secure?.stop()]);
  await rm(folder, { recursive: true });
});

const settings = persistentSubscriptionToStreamSettingsFromDefaults();
const address = (): string => `127.0.0.1:${plain.port()}`;

/** One call per row of the table in docs/event-store-node.md. */
const calls: Readonly<Record<string, () => Promise<unknown>>> = {
  'persistent subscription: create': () =>
    plain.client().createPersistentSubscriptionToStream('s', 'group', settings),
  'persistent subscription: update': () =>
    plain.client().updatePersistentSubscriptionToStream('s', 'group', settings),
  'persistent subscription: delete': () => plain.client().deletePersistentSubscriptionToStream('s', 'group'),
  'persistent subscription: subscribe': () =>
    drained(plain.client().subscribeToPersistentSubscriptionToStream('s', 'group')),
  'persistent subscription: inspect': () =>
    plain.client().getPersistentSubscriptionToStreamInfo('s', 'group'),
  'persistent subscription: list': () => plain.client().listAllPersistentSubscriptions(),
  'projection: create': () => plain.client().createProjection('p', 'fromAll()'),
  'projection: state': () => plain.client().getProjectionState('p'),
  'projection: read of $ce-category': () => drained(plain.client().readStream('$ce-category')),
  'users: details': () => drained(new UsersClient(address(), clear).details(new DetailsReq())),
  'operations: scavenge': () =>
    answered((done) => new OperationsClient(address(), clear).startScavenge(new StartScavengeReq(), done)),
  'monitoring: statistics': () => drained(new MonitoringClient(address(), clear).stats(new StatsReq())),
  'append to several streams': () =>
    unary('/kurrentdb.protocol.v2.streams.StreamsService/AppendSession', emptyMessage),
  'compressed message': () =>
    unary('/event_store.client.streams.Streams/Append', emptyMessage, {
      'grpc.default_compression_algorithm': compressionAlgorithms.gzip,
    }),
  'HTTP API': () =>
    new Promise((resolve, reject) => get(`http://${address()}/streams/s`, resolve).on('error', reject)),
  'certificate of a user in place of a password': () => {
    const { certificate, privateKey } = createTestCertificates();
    const userCertFile = file('user.pem', certificate);
    const userKeyFile = file('user.key', privateKey);
    const url = new URL(secure.url());
    const client = EventStoreDBClient.connectionString(
      `esdb://${url.host}/${url.search}&userCertFile=${userCertFile}&userKeyFile=${userKeyFile}`,
    );
    return drained(client.readStream('s')).finally(() => client.dispose());
  },
  'delete of a metadata stream': () => plain.client().deleteStream('$$s'),
  'tombstone of a metadata stream': () => plain.client().tombstoneStream('$$s'),
  'append above 1 MiB': () =>
    plain.client().appendToStream('s', testEvent('T', { filler: 'x'.repeat(1024 * 1024) })),
  'append to a stream with a name above 2,000 bytes': () =>
    plain.client().appendToStream('s'.repeat(2001), testEvent()),
  'append to a stream with NUL in its name': () => plain.client().appendToStream('s\0', testEvent()),
  'read of a stream with NUL in its name': () => drained(plain.client().readStream('s\0')),
  'filter outside the subset': () =>
    drained(plain.client().subscribeToAll({ filter: eventTypeFilter({ regex: '(a+)+$' }) })),
  'subscription from a position beyond the end': () =>
    drained(plain.client().subscribeToAll({ fromPosition: { commit: 2n ** 60n, prepare: 2n ** 60n } })),
};

describe('docs/event-store-node.md names what a caller gets', () => {
  const documented = tableBelow('## What it does not', readFileSync('docs/event-store-node.md', 'utf8'));

  test('for these calls and no others', () => {
    expect([...documented.keys()]).toEqual(Object.keys(calls));
  });

  test.each(Object.entries(calls))('%s', async (row, call) => {
    const failure = await call().then(() => 'nothing', described);
    expect(failure).toBe(documented.get(row));
  });
});

test('an access list comes back as it was set, and refuses nobody', async () => {
  const acl = { readRoles: ['nobody'], writeRoles: ['nobody'] };
  const client = secure.client();
  await client.setStreamMetadata('listed', { acl });
  expect((await client.getStreamMetadata('listed')).metadata).toEqual({ acl });
  await client.appendToStream('listed', testEvent());
  await drained(client.readStream('listed'));
});

/** First column to second of the first table below a heading, without the backquotes. */
function tableBelow(heading: string, text: string): Map<string, string> {
  const lines = text.slice(text.indexOf(heading)).split('\n');
  const start = lines.findIndex((line) => line.startsWith('| ---'));
  const rows = lines.slice(start + 1);
  const end = rows.findIndex((line) => !line.startsWith('|'));
  return new Map(
    rows.slice(0, end).map((line) => {
      const [, call = '', failure = ''] = line.split('|').map((cell) => cell.replaceAll('`', '').trim());
      return [call, failure];
    }),
  );
}

/** The class of the error, and its code with the name gRPC has for it. */
function described(reason: unknown): string {
  const { code } = reason as { code?: number | string };
  const name = (reason as object).constructor.name;
  if (code === undefined) return name;
  return typeof code === 'number' ? `${name} ${code} ${status[code]}` : `${name} ${code}`;
}

const clear = credentials.createInsecure();

async function drained(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

function answered(call: (done: (error: ServiceError | null) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => call((error) => (error === null ? resolve() : reject(error))));
}

async function unary(path: string, body: Buffer, options: ClientOptions = {}): Promise<void> {
  const client = new Client(address(), clear, options);
  const asIs = (bytes: Buffer): Buffer => bytes;
  await answered((done) => client.makeUnaryRequest(path, asIs, asIs, body, done)).finally(() =>
    client.close(),
  );
}

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}
