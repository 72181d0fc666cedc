import { AccessDeniedError, ANY, NO_STREAM, UnavailableError } from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { eventually } from '../support/eventually';
import { failureOf, typesOf } from './support/reading';
import {
  appendRequests,
  batchPart,
  deleteRequest,
  readAllRequest,
  readStreamRequest,
  tombstoneRequest,
} from './support/requests';
import { exceptionOf } from './support/rpc-call';
import { basic, withCredentials } from './support/server-address';
import { appendTypes, describeOnEachServer, newStream, onlyIf, streamOf } from './support/servers';

const code = { ok: 0, permissionDenied: 7, unauthenticated: 16 } as const;

// event-store.md §4, "Authentication", and the connection strings of §1.1.
describeOnEachServer('security', (server) => {
  const { address } = server;
  const { username = '', password = '' } = address;
  const hasCredentials = address.authorization !== null;
  const ifInsecure = onlyIf(!address.isSecure, 'the server has TLS');
  const ifSecure = onlyIf(address.isSecure, 'the server has no TLS, and with it no credentials');
  const ifCredentials = onlyIf(hasCredentials, 'the URL names no user');

  ifInsecure('an insecure server ignores credentials, even wrong ones', async () => {
    for (const authorization of [basic('nobody', 'wrong'), 'Basic not-even-base64', 'Bearer x']) {
      const stream = newStream();
      const protocol = server.protocol(authorization);
      expect((await protocol.append(...appendRequests(stream, NO_STREAM, {})).end()).code).toBe(code.ok);
      const reading = protocol.read(readStreamRequest(stream, { count: 1n }));
      expect((await reading.end()).code).toBe(code.ok);
      expect(reading.messages[0]?.hasEvent()).toBe(true);
    }
  });

  ifInsecure('a URL with credentials for a server without TLS works: the client drops them', async () => {
    const client = server.connect(withCredentials(address, 'nobody:wrong'));
    expect((await appendTypes(client, newStream(), 'a', NO_STREAM)).success).toBe(true);
  });

  ifCredentials('the user of the URL may append, read, subscribe and delete', async () => {
    const client = server.connect();
    const stream = await streamOf(client, 'ab');
    expect(await typesOf(client, stream)).toBe('ab');
    const types: string[] = [];
    const subscription = client.subscribeToStream(stream);
    subscription.on('data', ({ event }) => types.push(event?.type ?? ''));
    await eventually(() => expect(types).toEqual(['a', 'b']));
    await subscription.unsubscribe();
    await client.deleteStream(stream);
  });

  ifCredentials('credentials of a call serve where the URL has none', async () => {
    const client = server.connect(withCredentials(address, undefined));
    const credentials = { username, password };
    const stream = newStream();
    const event = { id: randomUUID(), type: 'a', contentType: 'application/json' as const, data: {} };
    await client.appendToStream(stream, { ...event, metadata: undefined }, { credentials });
    expect(await typesOf(client, stream, { credentials })).toBe('a');
  });

  describe('without credentials', () => {
    ifCredentials('every call but a batch append is PERMISSION_DENIED with access-denied', async () => {
      const stream = await streamOf(server.client(), 'a');
      const anonymous = server.protocol(null);
      for (const call of [
        anonymous.read(readStreamRequest(stream, { count: 1n })),
        anonymous.read(readStreamRequest(stream)),
        anonymous.read(readAllRequest({ count: 1n })),
        anonymous.read(readAllRequest()),
        anonymous.append(...appendRequests(stream, ANY, {})),
        anonymous.delete(deleteRequest(stream, ANY)),
        anonymous.tombstone(tombstoneRequest(stream, ANY)),
      ]) {
        const status = await call.end();
        expect([status.code, exceptionOf(status)]).toEqual([code.permissionDenied, 'access-denied']);
        expect(call.messages.some((message) => 'hasEvent' in message && message.hasEvent())).toBe(false);
      }
      expect(await typesOf(server.client(), stream)).toBe('a');
    });

    ifCredentials('a batch append is answered AccessDenied, append by append', async () => {
      const call = server.protocol(null).batchAppend();
      for (let count = 0; count < 3; count++)
        call.send(batchPart({ streamName: newStream(), expected: NO_STREAM }));
      await eventually(() => expect(call.messages).toHaveLength(3));
      for (const reply of call.messages) {
        expect(reply.getError()?.getCode()).toBe(code.permissionDenied);
        expect(reply.getError()?.getMessage()).toBe('AccessDenied');
        const details = reply.getError()?.getDetails();
        expect(details?.getTypeUrl()).toBe('type.googleapis.com/event_store.client.AccessDenied');
        // The message has no fields.
        expect(details?.getValue_asU8()).toHaveLength(0);
      }
    });

    ifCredentials('the client raises AccessDeniedError', async () => {
      const client = server.connect(withCredentials(address, undefined));
      const stream = newStream();
      expect(await failureOf(appendTypes(client, stream, 'a'))).toBeInstanceOf(AccessDeniedError);
      expect(await failureOf(typesOf(client, stream))).toBeInstanceOf(AccessDeniedError);
      expect(await failureOf(client.deleteStream(stream))).toBeInstanceOf(AccessDeniedError);
    });

    ifSecure('a client can still ask what the server offers', async () => {
      const call = server.protocol(null).supportedMethods();
      expect((await call.end()).code).toBe(code.ok);
      expect(call.messages).toHaveLength(1);
    });

    ifSecure('a client can still discover the server', async () => {
      const call = server.protocol(null).gossip();
      expect((await call.end()).code).toBe(code.ok);
      expect(call.messages[0]?.getMembersList().length).toBeGreaterThan(0);
    });
  });

  const wrong: readonly (readonly [string, () => string])[] = [
    ['a wrong password', () => basic(username, `${password}-wrong`)],
    ['an unknown user', () => basic(`nobody-${randomUUID()}`, password)],
    ['an empty password', () => basic(username, '')],
  ];
  describe.each(wrong)('with %s', (_name, authorization) => {
    ifCredentials('every call is UNAUTHENTICATED without an exception; a batch append ends', async () => {
      const stream = newStream();
      const protocol = server.protocol(authorization());
      for (const call of [
        protocol.read(readStreamRequest(stream, { count: 1n })),
        protocol.read(readAllRequest()),
        protocol.append(...appendRequests(stream, ANY, {})),
        protocol.delete(deleteRequest(stream, ANY)),
        protocol.tombstone(tombstoneRequest(stream, ANY)),
        protocol.supportedMethods(),
        protocol.gossip(),
        protocol.batchAppend(batchPart({ streamName: stream, expected: ANY })),
      ]) {
        const status = await call.end();
        expect([status.code, exceptionOf(status)]).toEqual([code.unauthenticated, undefined]);
      }
    });
  });

  ifCredentials('the client raises AccessDeniedError at wrong credentials', async () => {
    const client = server.connect(withCredentials(address, `${encodeURIComponent(username)}:wrong`));
    const stream = newStream();
    expect(await failureOf(appendTypes(client, stream, 'a'))).toBeInstanceOf(AccessDeniedError);
    expect(await failureOf(typesOf(client, stream))).toBeInstanceOf(AccessDeniedError);
  });

  onlyIf(address.caFile !== undefined, 'the URL names no CA file')(
    'a client that does not know the authority does not connect',
    async () => {
      const client = server.connect(address.url.replace(/&?tlsCAFile=[^&]*/i, ''));
      expect(await failureOf(typesOf(client, newStream()))).toBeInstanceOf(UnavailableError);
    },
  );

  ifSecure('a client without TLS is not served', async () => {
    const client = server.connect(`esdb://${address.host}?tls=false`);
    expect(await failureOf(typesOf(client, newStream()))).toBeInstanceOf(UnavailableError);
  });

  ifInsecure('a client with TLS is not served by a server that has none', async () => {
    const client = server.connect(`esdb://${address.host}?tls=true`);
    expect(await failureOf(typesOf(client, newStream()))).toBeInstanceOf(UnavailableError);
  });
});
