import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { streamName } from '../../../../domain/stream-name';
import type { EventStore } from '../../../../apps/shared/event-store/event-store';
import { delimitedField, message, varintField } from '../../../../apps/shared/protobuf/protobuf-writer';
import { eventually } from '../../../support/eventually';
import { startGrpcProxy, type GrpcProxy } from '../../../support/grpc-proxy';
import { startProcess } from '../../../support/processes';
import { createTestCertificates } from '../../../support/tls-certificates';
import { collect, roleChanged, startAdapterFixture, tenantId, type AdapterFixture } from './adapter-fixture';

const grpcNotFound = 5;
const grpcUnavailable = 14;
const leaderState = 8;
const followerState = 6;

describe('connecting to a node', () => {
  let fixture: AdapterFixture;
  let folder: string;
  const proxies: GrpcProxy[] = [];

  beforeAll(async () => {
    fixture = await startAdapterFixture();
    folder = mkdtempSync(join(tmpdir(), 'mf-connecting-'));
  });
  afterEach(() => Promise.all(proxies.splice(0).map((proxy) => proxy.stop())));
  afterAll(async () => {
    await fixture.stop();
    rmSync(folder, { recursive: true });
  });

  async function startProxy(options: object = {}): Promise<GrpcProxy> {
    const proxy = await startGrpcProxy({ target: fixture.node.port(), ...options });
    proxies.push(proxy);
    return proxy;
  }

  /** Writes one event and waits for it to come back by a subscription. */
  async function useOnce(store: EventStore): Promise<void> {
    const userId = randomUUID();
    const stream = streamName('user', tenantId, userId);
    await store.append(stream, 'no-stream', [roleChanged(userId, 0)]);
    const seen = collect(store);
    await eventually(() => expect(seen.revisionsOf(stream)).toEqual([0]), 20_000);
    await seen.stop();
  }

  it('takes CA file, user certificate and credentials from the URL, and appends in batches all the same', async () => {
    const { ca, certificate, privateKey } = createTestCertificates();
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text);
      return join(folder, name);
    };
    const proxy = await startProxy({
      tls: { cert: certificate, key: privateKey, ca, requestCert: true, rejectUnauthorized: true },
    });
    const files = `tlsCAFile=${file('ca.pem', ca)}&userCertFile=${file('user.pem', certificate)}&userKeyFile=${file('user.key', privateKey)}`;
    await useOnce(fixture.connect({ url: `esdb://ada:se%3Acret@localhost:${proxy.port}?${files}` }));
    expect(proxy.calls('/BatchAppend')).toHaveLength(1);
    expect(proxy.calls('/Append')).toHaveLength(0);
    for (const call of [...proxy.calls('/BatchAppend'), ...proxy.calls('/Read')]) {
      expect(call.headers.authorization).toBe(`Basic ${Buffer.from('ada:se:cret').toString('base64')}`);
      expect(call.headers['requires-leader']).toBe('true');
      expect(call.clientCertificate).toBe('localhost');
    }
  });

  it('refuses a node whose certificate the CA file does not vouch for', async () => {
    const { certificate, privateKey } = createTestCertificates();
    const caFile = join(folder, 'other-ca.pem');
    writeFileSync(caFile, createTestCertificates().ca);
    const proxy = await startProxy({ tls: { cert: certificate, key: privateKey } });
    const store = fixture.connect({
      url: `esdb://localhost:${proxy.port}?tlsCAFile=${caFile}`,
      ...{ callTimeoutMs: 300, appendDeadlineMs: 500 },
    });
    await expect(useOnce(store)).rejects.toThrow('did not say whether');
    expect(proxy.calls('')).toHaveLength(0);
  });

  describe('of a cluster', () => {
    /** Members that share one log, and tell who leads. */
    async function startCluster(): Promise<{ members: GrpcProxy[]; lead: (index: number) => void }> {
      const members = [await startProxy(), await startProxy(), await startProxy()];
      let leader = 0;
      const gossip = (): Buffer =>
        message(
          ...members.map(({ port }, index) =>
            delimitedField(
              1,
              message(
                delimitedField(1, delimitedField(2, randomUUID())),
                varintField(3, index === leader ? leaderState : followerState),
                varintField(4, 1),
                delimitedField(5, message(delimitedField(1, '127.0.0.1'), varintField(2, port))),
              ),
            ),
          ),
        );
      members.forEach((member, index) => {
        member.onCall = (call) => {
          if (call.path.endsWith('Gossip/Read')) call.answer(gossip());
          else if (index !== leader && call.headers['requires-leader'] === 'true')
            call.fail(grpcNotFound, 'Leader info available', {
              ...{ exception: 'not-leader', 'leader-endpoint-host': '127.0.0.1' },
              'leader-endpoint-port': String(members[leader]?.port),
            });
        };
      });
      return { members, lead: (index) => (leader = index) };
    }

    it('finds the leader among the hosts, and follows it when it changes', async () => {
      const { members, lead } = await startCluster();
      const hosts = ['127.0.0.1:1', ...members.map(({ port }) => `127.0.0.1:${port}`)].join(',');
      const store = fixture.connect({ url: `esdb://${hosts}?tls=false` });
      await useOnce(store);
      const userId = randomUUID();
      const stream = streamName('user', tenantId, userId);
      const seen = collect(store);
      for (const leader of [1, 2, 0]) {
        lead(leader);
        members[(leader + 2) % 3]?.breakOff();
        const revision = await store.append(
          stream,
          ...([seen.revisionsOf(stream).at(-1) ?? 'no-stream', [roleChanged(userId, leader)]] as const),
        );
        await eventually(() => expect(seen.revisionsOf(stream).at(-1)).toBe(revision.revision), 20_000);
      }
      expect(seen.revisionsOf(stream)).toEqual([0, 1, 2]);
      await seen.stop();
    });

    it('is found by discovery through one of its members', async () => {
      const { members, lead } = await startCluster();
      lead(2);
      await useOnce(fixture.connect({ url: `esdb+discover://127.0.0.1:${members[0]?.port}?tls=false` }));
      expect(members[2]?.calls('/BatchAppend')).toHaveLength(1);
    });
  });

  it('survives failed discoveries, of which the client tells nobody, and works once a node is there', async () => {
    const proxy = await startProxy();
    const gossiping: GrpcProxy['onCall'] = (call) =>
      call.path.endsWith('Gossip/Read') && call.answer(oneLeader(proxy.port));
    proxy.onCall = gossiping;
    const script = join(folder, 'discovering.js');
    writeFileSync(
      script,
      discovering(`esdb+discover://127.0.0.1:${proxy.port}?tls=false&maxDiscoverAttempts=1`),
    );
    const process = await startProcess(script);
    const lines = (text: string): number => process.output().split(text).length - 1;
    await eventually(() => expect(lines('answered')).toBeGreaterThan(3), 30_000);
    proxy.onCall = (call) => call.fail(grpcUnavailable, 'no majority');
    proxy.breakOff();
    await eventually(() => expect(lines('failed')).toBeGreaterThan(3), 30_000);
    const answered = lines('answered');
    proxy.onCall = gossiping;
    await eventually(() => expect(lines('answered')).toBeGreaterThan(answered + 3), 30_000);
    expect(await process.stop()).toBe(0);
  });
});

function oneLeader(port: number): Buffer {
  const endpoint = message(delimitedField(1, '127.0.0.1'), varintField(2, port));
  const id = delimitedField(1, delimitedField(2, randomUUID()));
  return delimitedField(
    1,
    message(id, varintField(3, leaderState), varintField(4, 1), delimitedField(5, endpoint)),
  );
}

/** A process that subscribes, and goes on appending and reading, and tells how each of it went. */
function discovering(url: string): string {
  const required = (path: string): string => JSON.stringify(resolve('dist/apps/shared', path));
  const event = JSON.stringify(roleChanged(randomUUID(), 0));
  const stream = JSON.stringify(streamName('user', tenantId, randomUUID()));
  return `
    const { runProcess } = require(${required('process/run-process.js')});
    const { createEventStore } = require(${required('event-store/esdb-event-store.js')});
    runProcess('discovering', async ({ log, onShutdown }) => {
      const store = createEventStore({ url: ${JSON.stringify(url)}, keys: {}, callTimeoutMs: 500, appendDeadlineMs: 500 });
      const stop = new AbortController();
      onShutdown(() => store.close());
      onShutdown(() => stop.abort());
      void (async () => {
        for await (const _ of store.subscribe({ after: null, withContent: false, signal: stop.signal }));
      })();
      const goOn = async (call) => {
        while (!stop.signal.aborted) {
          await call().then(() => log.info('answered'), () => log.info('failed'));
          // A failed call may return at once; without a pause this would be a busy loop.
          await new Promise((done) => setTimeout(done, 20));
        }
      };
      for (let reader = 0; reader < 8; reader++) void goOn(() => store.readStream(${stream}));
      void goOn(() => store.append(${stream}, 'no-stream', [${event}]));
    });`;
}
