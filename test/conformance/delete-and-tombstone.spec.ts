import {
  ANY,
  NO_STREAM,
  STREAM_EXISTS,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedVersionError,
  type AppendExpectedRevision,
  type ExpectedRevision,
} from '@eventstore/db-client';
import type { StatusObject } from '@grpc/grpc-js';
import { allAfter, allOf, failureOf, positionNow, typesOf } from './support/reading';
import { appendRequests, deleteRequest, readStreamRequest, tombstoneRequest } from './support/requests';
import { exceptionOf, trailer } from './support/rpc-call';
import {
  appendTypes,
  describeOnEachServer,
  newStream,
  onceUndeleted,
  onlyOnOurNode,
  streamOf,
} from './support/servers';

const code = { ok: 0, failedPrecondition: 9 } as const;
const tombstoneRevision = 2n ** 63n - 1n;
const softDeleteMetadata = '{"$tb":9223372036854775807}';

/** Of a stream of two events. */
function expectWrongVersion(status: StatusObject, stream: string, told: string): void {
  expect([status.code, exceptionOf(status)]).toEqual([code.failedPrecondition, 'wrong-expected-version']);
  expect(trailer(status, 'stream-name')).toBe(stream);
  expect(trailer(status, 'expected-version')).toBe(told);
  expect(trailer(status, 'actual-version')).toBe('1');
}

// event-store.md §4, "Delete (soft)" and "Tombstone", and how a soft-deleted stream is recreated ("Revision check").
describeOnEachServer('delete and tombstone', (server) => {
  /** The last metadata of a stream as text, without white space. */
  async function metadataText(stream: string): Promise<string> {
    const call = server
      .protocol()
      .read(readStreamRequest(`$$${stream}`, { count: 1n, from: 'end', backwards: true }));
    await call.end();
    const [message] = call.messages;
    return Buffer.from(message?.getEvent()?.getEvent()?.getData_asU8() ?? [])
      .toString()
      .replaceAll(/\s/g, '');
  }

  const untilTypes = (stream: string, types: string) =>
    onceUndeleted(server, async () => expect(await typesOf(server.client(), stream)).toBe(types));

  const metadataCount = async (stream: string, before: { commit: bigint; prepare: bigint }) =>
    (await allOf(server.client(), `$$${stream}`, before)).length;

  describe('a soft delete', () => {
    test('hides the stream', async () => {
      const stream = await streamOf(server.client(), 'abc');
      await server.client().deleteStream(stream, { expectedRevision: 2n });
      expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
    });

    test('replaces all metadata by a $tb of 2^63-1: rules and own keys are lost', async () => {
      const stream = await streamOf(server.client(), 'abc');
      await server.client().setStreamMetadata(stream, { maxCount: 50, owner: 'conformance' });
      await server.client().deleteStream(stream);
      expect(await metadataText(stream)).toBe(softDeleteMetadata);
    });

    test('answers with the position of that metadata', async () => {
      const before = await positionNow(server.client());
      const stream = await streamOf(server.client(), 'a');
      const call = server.protocol().delete(deleteRequest(stream, ANY));
      expect((await call.end()).code).toBe(code.ok);
      const [metadata] = await allOf(server.client(), `$$${stream}`, before);
      expect(metadata?.type).toBe('$metadata');
      expect(call.messages[0]?.getPosition()?.getCommitPosition()).toBe(String(metadata?.position.commit));
    });

    test('leaves the events in $all', async () => {
      const before = await positionNow(server.client());
      const stream = await streamOf(server.client(), 'abc');
      await server.client().deleteStream(stream);
      expect((await allOf(server.client(), stream, before)).map(({ type }) => type).join('')).toBe('abc');
    });

    test.each<[string, AppendExpectedRevision]>([
      ['the last revision', 1n],
      ['ANY', ANY],
      ['STREAM_EXISTS', STREAM_EXISTS],
    ])('succeeds with %s', async (_name, expected) => {
      const stream = await streamOf(server.client(), 'ab');
      const call = server.protocol().delete(deleteRequest(stream, expected));
      expect((await call.end()).code).toBe(code.ok);
    });

    test.each<[string, AppendExpectedRevision, string]>([
      ['a revision behind', 0n, '0'],
      ['a revision ahead', 5n, '5'],
      ['NO_STREAM', NO_STREAM, '-1'],
    ])('is refused with %s, and the trailers say why', async (_name, expected, told) => {
      const stream = await streamOf(server.client(), 'ab');
      const status = await server.protocol().delete(deleteRequest(stream, expected)).end();
      expectWrongVersion(status, stream, told);
      expect(await typesOf(server.client(), stream)).toBe('ab');
    });

    test.each<[string, AppendExpectedRevision, string]>([
      ['ANY', ANY, '-2'],
      ['NO_STREAM', NO_STREAM, '-1'],
      ['STREAM_EXISTS', STREAM_EXISTS, '-4'],
      ['a revision', 0n, '0'],
    ])('of a missing stream is a wrong expected version with %s', async (_name, expected, told) => {
      const stream = newStream();
      const status = await server.protocol().delete(deleteRequest(stream, expected)).end();
      expect([status.code, exceptionOf(status)]).toEqual([code.failedPrecondition, 'wrong-expected-version']);
      expect(trailer(status, 'expected-version')).toBe(told);
      expect(trailer(status, 'actual-version')).toBe('-1');
      const failure = await failureOf(server.client().deleteStream(newStream()));
      expect(failure).toBeInstanceOf(WrongExpectedVersionError);
    });

    test('of a stream with only metadata succeeds', async () => {
      const stream = newStream();
      await server.client().setStreamMetadata(stream, { owner: 'conformance' });
      await server.client().deleteStream(stream);
      expect(await metadataText(stream)).toBe(softDeleteMetadata);
    });

    test.each<[string, AppendExpectedRevision]>([
      ['ANY', ANY],
      ['NO_STREAM', NO_STREAM],
      ['the right revision', 1n],
    ])('repeated with %s succeeds and writes metadata once more', async (_name, expected) => {
      const before = await positionNow(server.client());
      const stream = await streamOf(server.client(), 'ab');
      await server.client().deleteStream(stream);
      const call = server.protocol().delete(deleteRequest(stream, expected));
      expect((await call.end()).code).toBe(code.ok);
      expect(await metadataCount(stream, before)).toBe(2);
      expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
    });

    test.each<[string, AppendExpectedRevision, string]>([
      ['STREAM_EXISTS', STREAM_EXISTS, 'stream-deleted'],
      ['another revision', 0n, 'wrong-expected-version'],
    ])('repeated with %s is refused', async (_name, expected, exception) => {
      const stream = await streamOf(server.client(), 'ab');
      await server.client().deleteStream(stream);
      const status = await server.protocol().delete(deleteRequest(stream, expected)).end();
      expect([status.code, exceptionOf(status)]).toEqual([code.failedPrecondition, exception]);
    });

    test('is undone by writing metadata: what was deleted stays hidden, what comes is shown', async () => {
      const before = await positionNow(server.client());
      const stream = await streamOf(server.client(), 'ab');
      await server.client().deleteStream(stream);
      await server.client().setStreamMetadata(stream, { owner: 'conformance' });
      await untilTypes(stream, '');
      expect((await server.client().getStreamMetadata(stream)).metadata).toEqual({
        ...{ owner: 'conformance', truncateBefore: 2 },
      });
      expect(await metadataCount(stream, before)).toBe(3);
      await appendTypes(server.client(), stream, 'c', 1n);
      expect(await typesOf(server.client(), stream)).toBe('c');
    });
  });

  describe('recreating a soft-deleted stream', () => {
    test('goes on counting and shows only what is new', async () => {
      const stream = await streamOf(server.client(), 'abc');
      await server.client().deleteStream(stream);
      const { nextExpectedRevision } = await appendTypes(server.client(), stream, 'de', NO_STREAM);
      expect(nextExpectedRevision).toBe(4n);
      await untilTypes(stream, 'de');
      await appendTypes(server.client(), stream, 'f', 4n);
      expect(await typesOf(server.client(), stream)).toBe('def');
    });

    test('writes the events first, then metadata with $tb at the first of them', async () => {
      const stream = await streamOf(server.client(), 'abc');
      await server.client().deleteStream(stream);
      const before = await positionNow(server.client());
      await appendTypes(server.client(), stream, 'de', ANY);
      await untilTypes(stream, 'de');
      const written = (await allAfter(server.client(), before)).filter(({ streamId }) =>
        streamId.endsWith(stream),
      );
      expect(written.map(({ type }) => type)).toEqual(['d', 'e', '$metadata']);
      expect((await server.client().getStreamMetadata(stream)).metadata).toEqual({ truncateBefore: 3 });
    });

    test('keeps the other keys of the metadata', async () => {
      const stream = await streamOf(server.client(), 'abc');
      const data = '{"$maxCount":7,"$tb":9223372036854775807,"own":{"a":1}}';
      await server
        .protocol()
        .append(...appendRequests(`$$${stream}`, ANY, { type: '$metadata', data }))
        .end();
      expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
      await appendTypes(server.client(), stream, 'd');
      await untilTypes(stream, 'd');
      expect((await server.client().getStreamMetadata(stream)).metadata).toEqual({
        ...{ maxCount: 7, truncateBefore: 3, own: { a: 1 } },
      });
    });

    test('can be done again and again', async () => {
      const stream = await streamOf(server.client(), 'a');
      for (const type of 'bcd') {
        await server.client().deleteStream(stream);
        await appendTypes(server.client(), stream, type, NO_STREAM);
        await untilTypes(stream, type);
      }
    });
  });

  describe('a tombstone', () => {
    test.each<[string, AppendExpectedRevision]>([
      ['the last revision', 1n],
      ['ANY', ANY],
      ['STREAM_EXISTS', STREAM_EXISTS],
    ])('is set with %s', async (_name, expected) => {
      const stream = await streamOf(server.client(), 'ab');
      const call = server.protocol().tombstone(tombstoneRequest(stream, expected));
      expect((await call.end()).code).toBe(code.ok);
      expect(call.messages[0]?.hasPosition()).toBe(true);
      expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamDeletedError);
    });

    test.each<[string, AppendExpectedRevision, string]>([
      ['a revision behind', 0n, '0'],
      ['a revision ahead', 5n, '5'],
      ['NO_STREAM', NO_STREAM, '-1'],
    ])('is refused with %s, and the trailers say why', async (_name, expected, told) => {
      const stream = await streamOf(server.client(), 'ab');
      const status = await server.protocol().tombstone(tombstoneRequest(stream, expected)).end();
      expectWrongVersion(status, stream, told);
      expect(await typesOf(server.client(), stream)).toBe('ab');
    });

    test.each<[string, ExpectedRevision]>([
      ['ANY', ANY],
      ['NO_STREAM', NO_STREAM],
    ])('may be set with %s where no stream is', async (_name, expected) => {
      const stream = newStream();
      await server.client().tombstoneStream(stream, { expectedRevision: expected });
      expect(await failureOf(appendTypes(server.client(), stream, 'a'))).toBeInstanceOf(StreamDeletedError);
    });

    test.each<[string, AppendExpectedRevision, string]>([
      ['STREAM_EXISTS', STREAM_EXISTS, '-4'],
      ['a revision', 0n, '0'],
    ])('is refused with %s where no stream is', async (_name, expected, told) => {
      const status = await server.protocol().tombstone(tombstoneRequest(newStream(), expected)).end();
      expect([status.code, exceptionOf(status)]).toEqual([code.failedPrecondition, 'wrong-expected-version']);
      expect(trailer(status, 'expected-version')).toBe(told);
      expect(trailer(status, 'actual-version')).toBe('-1');
    });

    test('is an event of its own in $all: $streamDeleted, binary, empty, at revision 2^63-1', async () => {
      const before = await positionNow(server.client());
      const stream = await streamOf(server.client(), 'a');
      await server.client().tombstoneStream(stream);
      const events = await allOf(server.client(), stream, before);
      expect(events.map(({ type }) => type)).toEqual(['a', '$streamDeleted']);
      expect(events[1]).toMatchObject({ revision: tombstoneRevision, isJson: false });
      expect(events[1]?.data).toHaveLength(0);
    });

    test('closes the stream and its metadata for ever', async () => {
      const stream = await streamOf(server.client(), 'ab');
      await server.client().setStreamMetadata(stream, { maxCount: 5 });
      await server.client().tombstoneStream(stream);
      for (const call of [
        () => typesOf(server.client(), stream),
        () => appendTypes(server.client(), stream, 'c'),
        () => typesOf(server.client(), `$$${stream}`),
        () => server.client().deleteStream(stream),
        () => server.client().tombstoneStream(stream),
      ])
        expect(await failureOf(call())).toBeInstanceOf(StreamDeletedError);
    });

    onlyOnOurNode(server, 'takes metadata that nobody can read')('refuses metadata', async () => {
      const stream = await streamOf(server.client(), 'a');
      await server.client().tombstoneStream(stream);
      const writing = server.client().setStreamMetadata(stream, {});
      expect(await failureOf(writing)).toBeInstanceOf(StreamDeletedError);
    });

    test('closes a soft-deleted stream as well', async () => {
      const stream = await streamOf(server.client(), 'ab');
      await server.client().deleteStream(stream);
      await server.client().tombstoneStream(stream);
      expect(await failureOf(appendTypes(server.client(), stream, 'c'))).toBeInstanceOf(StreamDeletedError);
      expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamDeletedError);
    });
  });
});
