import {
  ANY,
  BACKWARDS,
  END,
  NO_STREAM,
  STREAM_EXISTS,
  StreamNotFoundError,
  WrongExpectedVersionError,
  type StreamMetadata,
} from '@eventstore/db-client';
import { eventually } from '../support/eventually';
import { allOf, failureOf, positionNow, typesOf } from './support/reading';
import { appendRequests } from './support/requests';
import { appendTypes, describeOnEachServer, newStream, streamOf } from './support/servers';

// event-store.md §4, "Read": stream metadata and what it hides.
describeOnEachServer('metadata and truncation', (server) => {
  /** Writes these bytes as the stream's metadata; the client would write no such JSON. */
  async function writeMetadata(stream: string, data: string, contentType = 'application/json') {
    const call = server
      .protocol()
      .append(...appendRequests(`$$${stream}`, ANY, { type: '$metadata', data, contentType }));
    expect((await call.end()).code).toBe(0);
  }

  test.each<[string, StreamMetadata, string]>([
    ['$maxCount keeps the last', { maxCount: 2 }, 'de'],
    ['$maxCount above the length hides nothing', { maxCount: 9 }, 'abcde'],
    ['$tb hides what is before', { truncateBefore: 3 }, 'de'],
    ['$tb of 0 hides nothing', { truncateBefore: 0 }, 'abcde'],
    ['$maxAge that is not reached hides nothing', { maxAge: 1000 }, 'abcde'],
    ['of $maxCount and $tb the stricter counts: $tb', { maxCount: 4, truncateBefore: 4 }, 'e'],
    ['of $maxCount and $tb the stricter counts: $maxCount', { maxCount: 1, truncateBefore: 2 }, 'e'],
  ])('%s, both ways', async (_name, metadata, visible) => {
    const stream = await streamOf(server.client(), 'abcde');
    await server.client().setStreamMetadata(stream, metadata);
    expect(await typesOf(server.client(), stream)).toBe(visible);
    expect(await typesOf(server.client(), stream, { direction: BACKWARDS, fromRevision: END })).toBe(
      [...visible].reverse().join(''),
    );
  });

  test.each<[string, StreamMetadata]>([
    ['$tb at the end', { truncateBefore: 5 }],
    ['$tb beyond the end', { truncateBefore: 500 }],
  ])('%s hides all, but the stream is there', async (_name, metadata) => {
    const stream = await streamOf(server.client(), 'abcde');
    await server.client().setStreamMetadata(stream, metadata);
    expect(await typesOf(server.client(), stream)).toBe('');
    await appendTypes(server.client(), stream, 'f', 4n);
  });

  test('$maxCount counts on as the stream grows', async () => {
    const stream = await streamOf(server.client(), 'abc');
    await server.client().setStreamMetadata(stream, { maxCount: 2 });
    await appendTypes(server.client(), stream, 'de');
    expect(await typesOf(server.client(), stream)).toBe('de');
    expect((await appendTypes(server.client(), stream, 'f', 4n)).nextExpectedRevision).toBe(5n);
    expect(await typesOf(server.client(), stream)).toBe('ef');
  });

  test('$maxAge, in seconds, hides what has become too old, and the stream is still there', async () => {
    const stream = await streamOf(server.client(), 'ab');
    await server.client().setStreamMetadata(stream, { maxAge: 1 });
    await eventually(async () => expect(await typesOf(server.client(), stream)).toBe(''));
    await appendTypes(server.client(), stream, 'c', 1n);
    expect(await typesOf(server.client(), stream)).toBe('c');
  });

  test('what is hidden stays in $all', async () => {
    const before = await positionNow(server.client());
    const stream = await streamOf(server.client(), 'abcde');
    await server.client().setStreamMetadata(stream, { truncateBefore: 4 });
    expect(await typesOf(server.client(), stream)).toBe('e');
    const types = (await allOf(server.client(), stream, before)).map(({ type }) => type);
    expect(types.join('')).toBe('abcde');
  });

  test('a rule that is lifted shows again what it had hidden', async () => {
    const stream = await streamOf(server.client(), 'abc');
    await server.client().setStreamMetadata(stream, { truncateBefore: 2 });
    expect(await typesOf(server.client(), stream)).toBe('c');
    await server.client().setStreamMetadata(stream, {});
    expect(await typesOf(server.client(), stream)).toBe('abc');
  });

  test.each([
    ['$maxCount of 0', '{"$maxCount":0}'],
    ['a negative $maxCount', '{"$maxCount":-3}'],
    ['$maxCount that is no number', '{"$maxCount":"two"}'],
    ['metadata that are not JSON', 'not json at all'],
    ['metadata that are empty', ''],
    ['metadata that are no object', '[1,2]'],
  ])('%s: ignored', async (_name, data) => {
    const stream = await streamOf(server.client(), 'abc');
    await writeMetadata(stream, data);
    expect(await typesOf(server.client(), stream)).toBe('abc');
  });

  test('only a $tb of 2^63-1 makes the stream not found', async () => {
    const stream = await streamOf(server.client(), 'abc');
    await writeMetadata(stream, '{"$tb":9223372036854775806}');
    expect(await typesOf(server.client(), stream)).toBe('');
    await writeMetadata(stream, '{"$tb":9223372036854775807}');
    expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
  });

  test('all keys of the metadata come back, own ones too', async () => {
    const stream = newStream();
    const metadata: StreamMetadata = {
      ...{ maxCount: 7, maxAge: 100, truncateBefore: 1, cacheControl: 30 },
      ...{ acl: { readRoles: ['$admins'] }, own: { nested: [1, 2] } },
    };
    await server.client().setStreamMetadata(stream, metadata);
    const { metadata: stored } = await server.client().getStreamMetadata(stream);
    expect(stored).toEqual(metadata);
  });

  test('a stream without metadata has none', async () => {
    const stream = await streamOf(server.client(), 'a');
    const { metadata } = await server.client().getStreamMetadata(stream);
    expect(metadata).toBeUndefined();
  });

  test('the metadata stream shows its last event only', async () => {
    const stream = newStream();
    for (const maxCount of [1, 2, 3]) await server.client().setStreamMetadata(stream, { maxCount });
    expect(await typesOf(server.client(), `$$${stream}`)).toBe('$metadata');
    expect((await server.client().getStreamMetadata(stream)).metadata).toEqual({ maxCount: 3 });
  });

  test('writing metadata is checked against the revision of the metadata stream', async () => {
    const stream = await streamOf(server.client(), 'abc');
    const set = (expectedRevision: bigint | typeof NO_STREAM | typeof STREAM_EXISTS) =>
      server.client().setStreamMetadata(stream, { owner: 'conformance' }, { expectedRevision });
    expect(await failureOf(set(0n))).toBeInstanceOf(WrongExpectedVersionError);
    expect((await set(NO_STREAM)).nextExpectedRevision).toBe(0n);
    expect((await set(0n)).nextExpectedRevision).toBe(1n);
    expect(await failureOf(set(0n))).toBeInstanceOf(WrongExpectedVersionError);
    expect((await set(STREAM_EXISTS)).nextExpectedRevision).toBe(2n);
  });
});
