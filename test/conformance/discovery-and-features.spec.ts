import {
  NO_STREAM,
  persistentSubscriptionToAllSettingsFromDefaults,
  UnsupportedError,
} from '@eventstore/db-client';
import { MemberInfo } from '@eventstore/db-client/generated/gossip_pb';
import type { SupportedMethod } from '@eventstore/db-client/generated/serverfeatures_pb';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { failureOf, typesOf } from './support/reading';
import { appendTypes, describeOnEachServer, newStream, onlyOnOurNode } from './support/servers';
import { within } from './support/within';

const code = { ok: 0, unimplemented: 12 } as const;
const streamsService = 'event_store.client.streams.streams';
const pingTimeoutMs = 20_000;
const kibibyte = 1024;

// event-store.md §1.1 and §4: ServerFeatures, gossip, connection strings, and HTTP/2 under them.
describeOnEachServer('discovery and features', (server) => {
  const { address } = server;
  const sessions: ClientHttp2Session[] = [];
  const connectHttp2 = (): ClientHttp2Session => {
    const session = connect(`${address.isSecure ? 'https' : 'http'}://${address.host}`, {
      ...(address.caFile === undefined ? {} : { ca: readFileSync(address.caFile) }),
    });
    sessions.push(session.on('error', () => undefined));
    return session;
  };
  // Begun before the first test, so that the 10 s which a PING takes pass for all servers at once.
  const idle = connectHttp2();
  idle.unref();
  const pinged = once(idle, 'ping').then(
    () => true,
    () => false,
  );
  afterAll(() => sessions.forEach((session) => session.destroy()));

  async function supportedMethods() {
    const call = server.protocol().supportedMethods();
    expect((await call.end()).code).toBe(code.ok);
    const [answer] = call.messages;
    if (answer === undefined) throw new Error('ServerFeatures gave no answer');
    return answer;
  }

  describe('ServerFeatures', () => {
    test('names are in lower case', async () => {
      const names = (await supportedMethods())
        .getMethodsList()
        .flatMap((method) => [method.getMethodName(), method.getServiceName(), ...method.getFeaturesList()]);
      expect(names.length).toBeGreaterThan(0);
      expect(names).toEqual(names.map((name) => name.toLowerCase()));
    });

    test.each([
      ['read', ['position', 'events']],
      ['append', []],
      ['delete', []],
      ['tombstone', []],
      ['batchappend', ['deadline_duration']],
    ])('streams can %s, with features %j', async (name, features) => {
      const isAsked = (method: SupportedMethod) =>
        method.getServiceName() === streamsService && method.getMethodName() === name;
      const method = (await supportedMethods()).getMethodsList().find(isAsked);
      expect(method?.getFeaturesList()).toEqual(expect.arrayContaining(features));
    });

    test('the version is one', async () => {
      expect((await supportedMethods()).getEventStoreServerVersion()).toMatch(/^\d+\.\d+\.\d+/);
    });

    onlyOnOurNode(server, 'has persistent subscriptions')(
      'what is not listed the client refuses by itself',
      async () => {
        const settings = persistentSubscriptionToAllSettingsFromDefaults();
        const creating = server.client().createPersistentSubscriptionToAll('group', settings);
        expect(await failureOf(creating)).toBeInstanceOf(UnsupportedError);
      },
    );
  });

  describe('what does not exist', () => {
    test('an unknown method is UNIMPLEMENTED', async () => {
      const call = server.protocol().any('/event_store.client.streams.Streams/NoSuchMethod');
      expect((await call.end()).code).toBe(code.unimplemented);
    });

    test('an unknown service is HTTP 404 without grpc-status (23.10.8), or UNIMPLEMENTED (24.2.0)', async () => {
      const stream = connectHttp2().request({
        ...{ ':method': 'POST', ':path': '/no.such.Service/Method' },
        ...{ 'content-type': 'application/grpc', te: 'trailers' },
        ...(address.authorization === null ? {} : { authorization: address.authorization }),
      });
      const seen: IncomingHttpHeaders[] = [];
      stream
        .on('response', (headers) => seen.push(headers))
        .on('trailers', (headers: IncomingHttpHeaders) => seen.push(headers));
      stream.end(Buffer.alloc(5));
      stream.resume();
      await within(10_000, 'the end of the answer', once(stream, 'close'));
      const statuses = seen.flatMap((headers) => headers['grpc-status'] ?? []).map(Number);
      expect([
        [404, []],
        [200, [code.unimplemented]],
      ]).toContainEqual([seen[0]?.[':status'], statuses]);
    });
  });

  describe('gossip', () => {
    test('names a leader that is alive, and where it is reached', async () => {
      const call = server.protocol().gossip();
      expect((await call.end()).code).toBe(code.ok);
      const members = call.messages.flatMap((message) => message.getMembersList());
      const leaders = members.filter((member) => member.getState() === MemberInfo.VNodeState.LEADER);
      expect(MemberInfo.VNodeState.LEADER).toBe(8);
      expect(leaders).toHaveLength(1);
      expect(leaders[0]?.getIsAlive()).toBe(true);
      expect(leaders[0]?.getHttpEndPoint()?.getAddress()).not.toBe('');
      expect(leaders[0]?.getHttpEndPoint()?.getPort()).toBeGreaterThan(0);
    });

    const rest = address.url.replace(/^[^:]+:\/\//, '');
    const [host = ''] = /[^/?@]+(?=[/?]|$)/.exec(rest) ?? [];
    test.each([
      ['esdb+discover://', `esdb+discover://${rest}`],
      ['several hosts, the first of them dead', `esdb://${rest.replace(host, `127.0.0.1:1,${host}`)}`],
    ])('a client finds the server by %s', async (_name, url) => {
      const client = server.connect(url);
      const stream = newStream();
      await appendTypes(client, stream, 'ab', NO_STREAM);
      expect(await typesOf(client, stream)).toBe('ab');
    });
  });

  describe('HTTP/2', () => {
    test('at most 100 concurrent calls, at least 768 KiB in flight per call and 1 MiB per connection', async () => {
      const session = connectHttp2();
      await within(10_000, 'the settings of the server', once(session, 'remoteSettings'));
      expect(session.remoteSettings.maxConcurrentStreams).toBe(100);
      expect(session.remoteSettings.initialWindowSize).toBeGreaterThanOrEqual(768 * kibibyte);
      await within(10_000, 'an answer', new Promise((resolve) => session.ping(resolve)));
      expect(session.state.remoteWindowSize).toBeGreaterThanOrEqual(1024 * kibibyte);
    });

    test('an idle connection is asked by PING whether it is still there', async () => {
      expect(await within(pingTimeoutMs, 'a PING of the server', pinged)).toBe(true);
    });
  });
});
