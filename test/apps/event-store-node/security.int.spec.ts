import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AccessDeniedError, EventStoreDBClient, type StreamSubscription } from '@eventstore/db-client';
import { eventually } from '../../support/eventually';
import { nodeMain, startTestNode, testEvent, type TestNode } from '../../support/event-store-node';
import { runToEnd } from '../../support/processes';
import { createTestCertificates } from '../../support/tls-certificates';

describe('a secure node', () => {
  let node: TestNode;
  const clients: EventStoreDBClient[] = [];
  beforeAll(async () => (node = await startTestNode({ secure: true })));
  afterEach(() => Promise.all(clients.splice(0).map((client) => client.dispose())));
  afterAll(() => node?.stop());

  function connect(change: (url: string) => string): EventStoreDBClient {
    const client = EventStoreDBClient.connectionString(change(node.url()));
    clients.push(client);
    return client;
  }
  const anonymous = (url: string): string => url.replace(/\/\/.*@/, '//');
  const password = (): string => new URL(node.url()).password;

  test('serves the user with the password: append, read, subscribe, delete', async () => {
    const seen: string[] = [];
    const subscription = node.client().subscribeToStream('secure');
    subscription.on('data', ({ event }) => seen.push(event?.type ?? ''));
    await node.client().appendToStream('secure', testEvent('Sealed'));
    await eventually(() => expect(seen).toEqual(['Sealed']));
    await subscription.unsubscribe();
    await node.client().deleteStream('secure');
  });

  test('takes credentials of a single append too', async () => {
    const credentials = { username: 'admin', password: password() };
    await connect(anonymous).appendToStream('by call', testEvent(), { credentials });
  });

  test('is found by gossip under the name the client used, which its certificate names', async () => {
    const client = connect((url) => url.replace('esdb:', 'esdb+discover:'));
    await client.appendToStream('discovered', testEvent());
  });

  test.each<[string, (client: EventStoreDBClient) => Promise<unknown>]>([
    ['a read', (client) => drained(client.readStream('secure'))],
    ['a read of $all', (client) => drained(client.readAll({ maxCount: 1 }))],
    ['a subscription', (client) => firstError(client.subscribeToStream('secure'))],
    ['an append', (client) => client.appendToStream('secure', testEvent())],
    ['a delete', (client) => client.deleteStream('secure')],
    ['a tombstone', (client) => client.tombstoneStream('secure')],
  ])('denies %s to whom it does not know', async (_name, attempt) => {
    await expect(attempt(connect(anonymous))).rejects.toBeInstanceOf(AccessDeniedError);
  });

  test.each([
    ['a wrong password', (url: string) => url.replace(/:[^:@]*@/, ':wrong@')],
    ['the beginning of the password', (url: string) => url.replace(/.@/, '@')],
    ['another user', (url: string) => url.replace('admin:', 'root:')],
  ])('answers %s with UNAUTHENTICATED, on every path', async (_name, change) => {
    const client = connect(change);
    const attempts = await Promise.allSettled([
      client.appendToStream('secure', testEvent()),
      drained(client.readStream('secure')),
      client.deleteStream('secure'),
    ]);
    for (const attempt of attempts)
      expect(attempt).toMatchObject({ status: 'rejected', reason: { code: 16 } });
  });

  test('says the same after a restart, over the same certificate', async () => {
    node.process().kill('SIGTERM');
    await node.restart();
    await node.client().appendToStream('restarted', testEvent());
  });

  test('speaks to nobody who does not begin with TLS, and outlives them', async () => {
    const client = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${node.port()}?tls=false`);
    clients.push(client);
    await expect(drained(client.readStream('secure'))).rejects.toMatchObject({ code: 14 });
    await node.client().appendToStream('outlived', testEvent());
  });

  test('never writes the password down', () => {
    expect(node.process().output()).toContain('ready');
    expect(node.process().output()).not.toContain(password());
  });
});

describe('a node whose security is not whole refuses to start', () => {
  const own = createTestCertificates();
  let folder: string;
  beforeAll(async () => (folder = await mkdtemp(join(tmpdir(), 'mf-'))));
  afterAll(() => rm(folder, { recursive: true }));

  function file(name: string, text: string): string {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  }
  const certificate = () => ({ EVENT_STORE_NODE_TLS_CERTIFICATE_FILE: file('cert.pem', own.certificate) });
  const privateKey = () => ({ EVENT_STORE_NODE_TLS_PRIVATE_KEY_FILE: file('key.pem', own.privateKey) });
  const password = { EVENT_STORE_NODE_PASSWORD: 'not to be shown' };

  test.each<[string, () => Record<string, string>, string]>([
    ['a password without TLS', () => password, 'a secure node needs'],
    ['TLS without a password', () => ({ ...certificate(), ...privateKey() }), 'a secure node needs'],
    ['a certificate without its key', () => ({ ...certificate(), ...password }), 'a secure node needs'],
    [
      'a certificate file that is not there',
      () => ({ ...privateKey(), ...password, EVENT_STORE_NODE_TLS_CERTIFICATE_FILE: join(folder, 'none') }),
      'the file of EVENT_STORE_NODE_TLS_CERTIFICATE_FILE cannot be read (ENOENT)',
    ],
    [
      'a certificate file without a certificate',
      () => ({
        ...privateKey(),
        ...password,
        EVENT_STORE_NODE_TLS_CERTIFICATE_FILE: file('text.pem', 'no certificate'),
      }),
      'EVENT_STORE_NODE_TLS_CERTIFICATE_FILE holds no PEM certificate',
    ],
    [
      'a key file without a key',
      () => ({
        ...certificate(),
        ...password,
        EVENT_STORE_NODE_TLS_PRIVATE_KEY_FILE: file('text.pem', 'no key'),
      }),
      'EVENT_STORE_NODE_TLS_PRIVATE_KEY_FILE holds no PEM private key',
    ],
    [
      'the key of another certificate',
      () => ({
        ...certificate(),
        ...password,
        EVENT_STORE_NODE_TLS_PRIVATE_KEY_FILE: file('other.pem', createTestCertificates().privateKey),
      }),
      'is not that of the certificate',
    ],
    [
      'two passwords',
      () => ({ ...password, EVENT_STORE_NODE_PASSWORD_FILE: file('password', 'another') }),
      'are both set',
    ],
    ['an empty password file', () => ({ EVENT_STORE_NODE_PASSWORD_FILE: file('empty', '\n') }), 'is empty'],
    [
      'a user name with a colon',
      () => ({ EVENT_STORE_NODE_USER: 'a:b' }),
      'EVENT_STORE_NODE_USER is invalid (must not contain a colon)',
    ],
  ])('%s', async (_name, environment, reason) => {
    const { exitCode, output } = await runToEnd(nodeMain, {
      env: { EVENT_STORE_NODE_DATABASE_URL: 'postgresql://127.0.0.1:1/none', ...environment() },
    });
    expect(exitCode).toBe(2);
    expect(output.trim().split('\n')).toEqual([expect.stringContaining(reason)]);
    expect(output).not.toContain(password.EVENT_STORE_NODE_PASSWORD);
  });
});

async function drained(items: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of items);
}

function firstError(subscription: StreamSubscription): Promise<never> {
  return new Promise((_resolve, reject) => void subscription.once('error', reject));
}
