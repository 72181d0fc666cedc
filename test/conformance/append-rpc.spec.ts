import {
  ANY,
  NO_STREAM,
  STREAM_EXISTS,
  StreamNotFoundError,
  type AppendExpectedRevision,
} from '@eventstore/db-client';
import { UUID } from '@eventstore/db-client/generated/shared_pb';
import { AppendResp } from '@eventstore/db-client/generated/streams_pb';
import { randomUUID } from 'node:crypto';
import { allOf, failureOf, positionNow, typesOf } from './support/reading';
import { appendRequests, type Proposal } from './support/requests';
import { exceptionOf, trailer, type RpcCall } from './support/rpc-call';
import { describeOnEachServer, newStream, onlyOnOurNode, streamOf } from './support/servers';

const code = { ok: 0, unknown: 2, invalidArgument: 3, resourceExhausted: 8, failedPrecondition: 9 } as const;

async function responseOf(call: RpcCall<AppendResp>): Promise<AppendResp> {
  const status = await call.end();
  const [response] = call.messages;
  if (response === undefined) throw new Error(`No response, but status ${status.code}: ${status.details}`);
  expect(status.code).toBe(code.ok);
  return response;
}

// event-store.md §4, "Append": the call the official client makes when it has credentials of its own.
describeOnEachServer('append RPC', (server) => {
  const append = (stream: string, expected: AppendExpectedRevision | undefined, ...events: Proposal[]) =>
    server.protocol().append(...appendRequests(stream, expected, ...events));

  test('success carries the revision and position of the last event', async () => {
    const stream = newStream();
    const before = await positionNow(server.client());
    const success = (await responseOf(append(stream, NO_STREAM, {}, {}, {}))).getSuccess();
    const stored = await allOf(server.client(), stream, before);
    expect(success?.getCurrentRevision()).toBe('2');
    expect(success?.getPosition()?.getCommitPosition()).toBe(String(stored.at(-1)?.position.commit));
  });

  test('success of nothing on a missing stream says that there is no stream', async () => {
    const success = (await responseOf(append(newStream(), NO_STREAM))).getSuccess();
    expect(success?.hasNoStream()).toBe(true);
    expect(success?.hasPosition()).toBe(true);
  });

  test('a repetition of what was soft-deleted succeeds with no_position', async () => {
    const stream = newStream();
    const event = { id: randomUUID() };
    await responseOf(append(stream, NO_STREAM, event));
    await server.client().deleteStream(stream);
    const success = (await responseOf(append(stream, NO_STREAM, event))).getSuccess();
    expect(success?.getCurrentRevision()).toBe('0');
    expect(success?.hasNoPosition()).toBe(true);
  });

  describe('a wrong expected version is a normal response', () => {
    test('that tells the current and the expected revision, for old clients too', async () => {
      const stream = await streamOf(server.client(), 'ab');
      const wrong = (await responseOf(append(stream, 7n, {}))).getWrongExpectedVersion();
      expect(wrong?.getCurrentRevision()).toBe('1');
      expect(wrong?.getExpectedRevision()).toBe('7');
      expect(Number(wrong?.getCurrentRevision2060())).toBe(1);
      expect(Number(wrong?.getExpectedRevision2060())).toBe(7);
    });

    test('that tells NO_STREAM was expected', async () => {
      const stream = await streamOf(server.client(), 'ab');
      const wrong = (await responseOf(append(stream, NO_STREAM, {}))).getWrongExpectedVersion();
      expect(wrong?.getCurrentRevision()).toBe('1');
      expect(wrong?.getExpectedRevisionOptionCase()).toBe(
        AppendResp.WrongExpectedVersion.ExpectedRevisionOptionCase.EXPECTED_NO_STREAM,
      );
    });

    test('that tells there is no stream, where STREAM_EXISTS was expected', async () => {
      const wrong = (await responseOf(append(newStream(), STREAM_EXISTS, {}))).getWrongExpectedVersion();
      expect(wrong?.hasCurrentNoStream()).toBe(true);
      expect(wrong?.hasNoStream2060()).toBe(true);
      expect(wrong?.hasExpectedStreamExists()).toBe(true);
      expect(wrong?.hasStreamExists2060()).toBe(true);
    });

    test('that names ANY where the first event is known and a later one is not', async () => {
      const stream = newStream();
      const event = { id: randomUUID() };
      await responseOf(append(stream, NO_STREAM, event));
      const wrong = (await responseOf(append(stream, ANY, event, {}))).getWrongExpectedVersion();
      expect(wrong?.hasExpectedAny()).toBe(true);
      expect(wrong?.hasAny2060()).toBe(true);
    });
  });

  test('a tombstone is FAILED_PRECONDITION with the exception stream-deleted', async () => {
    const stream = await streamOf(server.client(), 'a');
    await server.client().tombstoneStream(stream);
    const status = await append(stream, ANY, {}).end();
    expect(status.code).toBe(code.failedPrecondition);
    expect(exceptionOf(status)).toBe('stream-deleted');
    expect(trailer(status, 'stream-name')).toBe(stream);
  });

  test.each<[string, Proposal]>([
    ['type', { type: null }],
    ['content-type', { contentType: null }],
  ])('missing metadata %s is INVALID_ARGUMENT that names what is required', async (_name, event) => {
    const stream = newStream();
    const status = await append(stream, NO_STREAM, event).end();
    expect(status.code).toBe(code.invalidArgument);
    expect(exceptionOf(status)).toBe('missing-required-metadata-property');
    expect(trailer(status, 'required-metadata-properties')).toBe('type,content-type');
    expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
  });

  test.each<[string, Proposal]>([
    ['an id that is no UUID', { id: 'no-uuid' }],
    ['an empty id', { id: '' }],
    ['an id without a value', { id: new UUID() }],
    ['the nil id', { id: '00000000-0000-0000-0000-000000000000' }],
    ['an empty type', { type: '' }],
  ])('%s is UNKNOWN, and nothing is written, not even what was right', async (_name, event) => {
    const stream = newStream();
    const status = await append(stream, NO_STREAM, {}, event).end();
    expect([status.code, status.details]).toEqual([code.unknown, 'Exception was thrown by handler.']);
    expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
  });

  test('an empty stream name is UNKNOWN', async () => {
    const status = await append('', ANY, {}).end();
    expect([status.code, status.details]).toEqual([code.unknown, 'Exception was thrown by handler.']);
  });

  onlyOnOurNode(server, 'of version 24.2.0 ends its process at this')(
    'the stream name $$ is UNKNOWN',
    async () => {
      const status = await append('$$', ANY, {}).end();
      expect([status.code, status.details]).toEqual([code.unknown, 'Exception was thrown by handler.']);
    },
  );

  test('no expectation is INVALID_ARGUMENT', async () => {
    const stream = newStream();
    expect((await append(stream, undefined, {}).end()).code).toBe(code.invalidArgument);
    expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
  });

  test('a message above 16 MiB is RESOURCE_EXHAUSTED', async () => {
    const stream = newStream();
    const status = await append(stream, ANY, { data: Buffer.alloc(16 * 1024 * 1024 + 1) }).end();
    expect(status.code).toBe(code.resourceExhausted);
    expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
  });
});
