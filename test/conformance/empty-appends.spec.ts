import {
  ANY,
  NO_STREAM,
  STREAM_EXISTS,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedVersionError,
  type AppendExpectedRevision,
} from '@eventstore/db-client';
import { failureOf, typesOf } from './support/reading';
import {
  appendPaths,
  appendTypes,
  describeOnEachServer,
  newStream,
  onceUndeleted,
  streamOf,
} from './support/servers';

// event-store.md §4, "Empty append": the same checks, and nothing that a reader sees is written.
describeOnEachServer('empty appends', (server) => {
  describe.each(appendPaths(server))('over %s', (_rpc, options) => {
    const appendNothing = (stream: string, expectedRevision: AppendExpectedRevision) =>
      server.client().appendToStream(stream, [], { expectedRevision, ...options });

    async function deleted(): Promise<string> {
      const stream = await streamOf(server.client(), 'ab');
      await server.client().deleteStream(stream);
      return stream;
    }

    test('a missing stream stays missing, and the answer has a position', async () => {
      const stream = newStream();
      const { position } = await appendNothing(stream, NO_STREAM);
      expect(position?.commit).toBeGreaterThan(0n);
      expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
      expect((await appendTypes(server.client(), stream, 'a', NO_STREAM)).nextExpectedRevision).toBe(0n);
    });

    test.each([
      ['ANY', ANY],
      ['STREAM_EXISTS', STREAM_EXISTS],
      ['the last revision', 1n],
    ] as const)('%s answers with the current revision and changes nothing', async (_name, expected) => {
      const stream = await streamOf(server.client(), 'ab');
      expect((await appendNothing(stream, expected)).nextExpectedRevision).toBe(1n);
      expect(await typesOf(server.client(), stream)).toBe('ab');
    });

    test.each([
      ['NO_STREAM', NO_STREAM],
      ['a revision behind', 0n],
      ['a revision ahead', 5n],
    ] as const)('%s is a wrong expected version, as with events', async (_name, expected) => {
      const stream = await streamOf(server.client(), 'ab');
      const failure = await failureOf(appendNothing(stream, expected));
      expect(failure).toBeInstanceOf(WrongExpectedVersionError);
      expect(failure).toMatchObject({ actualVersion: 1n });
    });

    test('STREAM_EXISTS on a missing stream is a wrong expected version', async () => {
      const failure = await failureOf(appendNothing(newStream(), STREAM_EXISTS));
      expect(failure).toBeInstanceOf(WrongExpectedVersionError);
    });

    test('a tombstone refuses it with StreamDeleted', async () => {
      const stream = await streamOf(server.client(), 'a');
      await server.client().tombstoneStream(stream);
      expect(await failureOf(appendNothing(stream, ANY))).toBeInstanceOf(StreamDeletedError);
    });

    test.each([
      ['ANY', ANY],
      ['the current revision', 1n],
    ] as const)(
      '%s undeletes a soft-deleted stream, which then exists with nothing in it',
      async (_name, expected) => {
        const stream = await deleted();
        await appendNothing(stream, expected);
        await onceUndeleted(server, async () => expect(await typesOf(server.client(), stream)).toBe(''));
      },
    );

    test.each([
      ['NO_STREAM', NO_STREAM],
      ['a revision behind', 0n],
      ['a revision ahead', 5n],
    ] as const)(
      '%s on a soft-deleted stream is a wrong expected version, and it stays deleted',
      async (_name, expected) => {
        const stream = await deleted();
        expect(await failureOf(appendNothing(stream, expected))).toBeInstanceOf(WrongExpectedVersionError);
        expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
      },
    );

    test('STREAM_EXISTS on a soft-deleted stream is StreamDeleted', async () => {
      const failure = await failureOf(appendNothing(await deleted(), STREAM_EXISTS));
      expect(failure).toBeInstanceOf(StreamDeletedError);
    });
  });
});
