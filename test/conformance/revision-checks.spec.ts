import {
  ANY,
  NO_STREAM,
  STREAM_EXISTS,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedVersionError,
  type AppendExpectedRevision,
} from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { testEvent } from '../support/event-store-node';
import { failureOf, typesOf } from './support/reading';
import {
  appendPaths,
  appendTypes,
  describeOnEachServer,
  newStream,
  onceUndeleted,
  streamOf,
} from './support/servers';

// event-store.md §4, "Revision check": the numbers are those of its steps.
describeOnEachServer('revision checks', (server) => {
  describe.each(appendPaths(server))('over %s', (_rpc, options) => {
    const append = (
      stream: string,
      types: string,
      expectedRevision: AppendExpectedRevision,
      ids?: string[],
    ) =>
      server.client().appendToStream(
        stream,
        [...types].map((type, index) => testEvent(type, { type }, ids?.[index])),
        { expectedRevision, ...options },
      );

    test('each expectation that holds is accepted, and the revision counts on', async () => {
      const stream = newStream();
      expect((await append(stream, 'ab', NO_STREAM)).nextExpectedRevision).toBe(1n);
      expect((await append(stream, 'c', 1n)).nextExpectedRevision).toBe(2n);
      expect((await append(stream, 'd', STREAM_EXISTS)).nextExpectedRevision).toBe(3n);
      expect((await append(stream, 'ef', ANY)).nextExpectedRevision).toBe(5n);
      expect(await typesOf(server.client(), stream)).toBe('abcdef');
    });

    test('ANY writes to a missing stream', async () => {
      const stream = newStream();
      expect((await append(stream, 'a', ANY)).nextExpectedRevision).toBe(0n);
    });

    test.each([
      ['ANY', ANY],
      ['NO_STREAM', NO_STREAM],
      ['STREAM_EXISTS', STREAM_EXISTS],
      ['the last revision', 1n],
      ['another revision', 7n],
    ] as const)('1. a tombstone refuses %s with StreamDeleted', async (_name, expected) => {
      const stream = await streamOf(server.client(), 'ab');
      await server.client().tombstoneStream(stream, { expectedRevision: ANY });
      const failure = await failureOf(append(stream, 'x', expected));
      expect(failure).toBeInstanceOf(StreamDeletedError);
      expect(failure).toMatchObject({ streamName: stream });
    });

    test('2. STREAM_EXISTS on a soft-deleted stream is StreamDeleted', async () => {
      const stream = await streamOf(server.client(), 'ab');
      await server.client().deleteStream(stream);
      expect(await failureOf(append(stream, 'x', STREAM_EXISTS))).toBeInstanceOf(StreamDeletedError);
    });

    test('2. STREAM_EXISTS on a missing stream is a wrong expected version', async () => {
      const failure = await failureOf(append(newStream(), 'x', STREAM_EXISTS));
      expect(failure).toBeInstanceOf(WrongExpectedVersionError);
    });

    test('2. a stream that has only metadata exists for STREAM_EXISTS, and reads as not found', async () => {
      const stream = newStream();
      await server.client().setStreamMetadata(stream, { owner: 'conformance' });
      expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
      expect((await append(stream, 'a', STREAM_EXISTS)).nextExpectedRevision).toBe(0n);
    });

    test('a stream that has only metadata does not exist for NO_STREAM', async () => {
      const stream = newStream();
      await server.client().setStreamMetadata(stream, { owner: 'conformance' });
      expect((await append(stream, 'a', NO_STREAM)).nextExpectedRevision).toBe(0n);
    });

    test.each([
      ['4. NO_STREAM on one that exists', NO_STREAM],
      ['4. a revision behind', 0n],
      ['5. a revision ahead', 7n],
    ] as const)('%s is refused with the true revision', async (_name, expected) => {
      const stream = await streamOf(server.client(), 'ab');
      const failure = await failureOf(append(stream, 'x', expected));
      expect(failure).toBeInstanceOf(WrongExpectedVersionError);
      expect(failure).toMatchObject({ streamName: stream, actualVersion: 1n, expectedVersion: expected });
      expect(await typesOf(server.client(), stream)).toBe('ab');
    });

    test('5. any revision is ahead of a missing stream', async () => {
      const stream = newStream();
      const failure = await failureOf(append(stream, 'x', 0n));
      expect(failure).toBeInstanceOf(WrongExpectedVersionError);
      expect(failure).toMatchObject({ actualVersion: NO_STREAM });
      expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
    });

    test('6. the same events again at the revision that is current are a new write', async () => {
      const stream = await streamOf(server.client(), 'o');
      const ids = [randomUUID()];
      expect((await append(stream, 'a', 0n, ids)).nextExpectedRevision).toBe(1n);
      expect((await append(stream, 'a', 1n, ids)).nextExpectedRevision).toBe(2n);
      expect(await typesOf(server.client(), stream)).toBe('oaa');
    });

    test('of many appends that expect the same revision exactly one is written', async () => {
      const stream = newStream();
      const outcomes = await Promise.allSettled(
        Array.from({ length: 40 }, () => append(stream, 'a', NO_STREAM)),
      );
      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(WrongExpectedVersionError);
      expect(await typesOf(server.client(), stream)).toBe('a');
    });

    describe('on a soft-deleted stream', () => {
      /** Two events, deleted. */
      async function deleted(ids?: string[]): Promise<string> {
        const stream = newStream();
        await append(stream, 'ab', NO_STREAM, ids);
        await server.client().deleteStream(stream);
        return stream;
      }

      test('NO_STREAM with the ids at revision 0 succeeds without a position, and it stays deleted', async () => {
        const ids = [randomUUID(), randomUUID()];
        const stream = await deleted(ids);
        const repeated = await append(stream, 'ab', NO_STREAM, ids);
        expect(repeated).toMatchObject({ success: true, nextExpectedRevision: 1n });
        expect(repeated.position).toBeUndefined();
        expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
      });

      test.each([
        ['NO_STREAM with other ids', NO_STREAM],
        ['ANY', ANY],
        ['the current revision', 1n],
      ] as const)('%s writes', async (_name, expected) => {
        const stream = await deleted();
        expect((await append(stream, 'x', expected)).nextExpectedRevision).toBe(2n);
        await onceUndeleted(server, async () => expect(await typesOf(server.client(), stream)).toBe('x'));
      });

      test.each([
        ['behind', 0n],
        ['ahead', 5n],
      ] as const)('a revision %s is a wrong expected version', async (_name, expected) => {
        const stream = await deleted();
        expect(await failureOf(append(stream, 'x', expected))).toBeInstanceOf(WrongExpectedVersionError);
        expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
      });
    });
  });

  test('what one client has acknowledged, another reads', async () => {
    const stream = newStream();
    const other = server.connect();
    await appendTypes(server.client(), stream, 'abc');
    expect(await typesOf(other, stream)).toBe('abc');
  });
});
