import {
  BACKWARDS,
  END,
  FORWARDS,
  START,
  StreamDeletedError,
  StreamNotFoundError,
  type ReadStreamOptions,
} from '@eventstore/db-client';
import { ReadResp } from '@eventstore/db-client/generated/streams_pb';
import { randomUUID } from 'node:crypto';
import { failureOf, typesOf } from './support/reading';
import { appendRequests, readStreamRequest, uuidText, type ReadOptions } from './support/requests';
import { exceptionOf, trailer } from './support/rpc-call';
import { appendTypes, describeOnEachServer, newStream, streamOf } from './support/servers';

const code = { ok: 0, unknown: 2, failedPrecondition: 9 } as const;
const { ContentCase } = ReadResp;

// event-store.md §4, "Read".
describeOnEachServer('reading streams', (server) => {
  let stream: string;
  beforeAll(async () => {
    // Three appends of different sizes, so that reads begin and end inside of them.
    stream = await streamOf(server.client(), '0123');
    await appendTypes(server.client(), newStream(), 'x');
    await appendTypes(server.client(), stream, '4');
    await appendTypes(server.client(), stream, '56789');
  });

  const types = (options: ReadStreamOptions = {}) => typesOf(server.client(), stream, options);

  /** The answer as messages, and the status. */
  async function read(name: string, options: ReadOptions) {
    const call = server.protocol().read(readStreamRequest(name, options));
    const status = await call.end();
    const kinds = call.messages.map((message) => message.getContentCase());
    const events = call.messages.flatMap((message) => message.getEvent() ?? []);
    return { status, kinds, events, messages: call.messages };
  }

  test.each<[string, ReadStreamOptions, string]>([
    ['forwards from the start', {}, '0123456789'],
    ['forwards from a revision inclusively', { fromRevision: 2n }, '23456789'],
    ['forwards, a count', { fromRevision: 2n, maxCount: 4 }, '2345'],
    ['forwards from the last', { fromRevision: 9n }, '9'],
    ['forwards past the end: nothing, and no error', { fromRevision: 10n }, ''],
    ['forwards far past the end', { fromRevision: 1_000_000n }, ''],
    ['backwards from the end', { direction: BACKWARDS, fromRevision: END }, '9876543210'],
    ['backwards from a revision inclusively', { direction: BACKWARDS, fromRevision: 6n }, '6543210'],
    ['backwards, a count', { direction: BACKWARDS, fromRevision: 6n, maxCount: 3 }, '654'],
    ['backwards past the end: from the last', { direction: BACKWARDS, fromRevision: 50n, maxCount: 2 }, '98'],
    ['backwards from START: the first event', { direction: BACKWARDS, fromRevision: START }, '0'],
    ['backwards from the end, one', { direction: BACKWARDS, fromRevision: END, maxCount: 1 }, '9'],
    ['a count above the length', { maxCount: 1_000 }, '0123456789'],
  ])('%s', async (_name, options, expected) => {
    expect(await types(options)).toBe(expected);
  });

  test.each([
    ['2^53-1, which the client sends', BigInt(Number.MAX_SAFE_INTEGER)],
    ['2^63-1', 2n ** 63n - 1n],
    ['2^64-1', 2n ** 64n - 1n],
  ])('a count of %s means all', async (_name, count) => {
    expect((await read(stream, { count })).events).toHaveLength(10);
    expect((await read(stream, { count, from: 'end', backwards: true })).events).toHaveLength(10);
  });

  // On a real server, UNKNOWN says so.
  test.each<[string, ReadOptions]>([
    ['forwards from the end', { from: 'end', count: 10n }],
    ['a count of 0', { count: 0n }],
  ])('%s gives nothing', async (_name, options) => {
    const { status, messages } = await read(stream, options);
    expect(server.isOurs ? [code.ok] : [code.ok, code.unknown]).toContain(status.code);
    expect(messages).toEqual([]);
  });

  test.each<[string, () => Promise<string>]>([
    ['missing', async () => newStream()],
    [
      'soft-deleted',
      async () => {
        const deleted = await streamOf(server.client(), 'ab');
        await server.client().deleteStream(deleted);
        return deleted;
      },
    ],
  ])('a %s stream is a message StreamNotFound, then OK', async (_name, prepare) => {
    const name = await prepare();
    for (const options of [{ count: 10n }, { count: 10n, from: 'end', backwards: true }] as const) {
      const { status, kinds, messages } = await read(name, options);
      expect(status.code).toBe(code.ok);
      expect(kinds).toEqual([ContentCase.STREAM_NOT_FOUND]);
      const told = messages[0]?.getStreamNotFound()?.getStreamIdentifier()?.getStreamName() ?? '';
      expect(Buffer.from(told).toString()).toBe(name);
    }
    const failure = await failureOf(typesOf(server.client(), name));
    expect(failure).toBeInstanceOf(StreamNotFoundError);
  });

  test('a tombstoned stream ends the call with the exception stream-deleted', async () => {
    const name = await streamOf(server.client(), 'a');
    await server.client().tombstoneStream(name);
    const { status } = await read(name, { count: 10n });
    expect(status.code).toBe(code.failedPrecondition);
    expect(exceptionOf(status)).toBe('stream-deleted');
    expect(trailer(status, 'stream-name')).toBe(name);
    expect(await failureOf(typesOf(server.client(), name))).toBeInstanceOf(StreamDeletedError);
  });

  test('each event tells the position it has in $all', async () => {
    const { events } = await read(stream, { count: 10n });
    const positions = events.map((event) => BigInt(event.getCommitPosition()));
    expect(positions).toHaveLength(10);
    for (const [index, position] of positions.entries())
      if (index > 0) expect(position).toBeGreaterThan(positions[index - 1] ?? 0n);
    expect(events.map((event) => event.getEvent()?.getCommitPosition())).toEqual(positions.map(String));
  });

  test('ids come as text or in structured form, as asked for', async () => {
    const asText = (await read(stream, { count: 3n })).events.map((event) => event.getEvent()?.getId());
    const structured = (await read(stream, { count: 3n, structuredIds: true })).events.map((event) =>
      event.getEvent()?.getId(),
    );
    expect(asText.every((id) => id?.getString() !== '')).toBe(true);
    expect(structured.every((id) => id?.hasStructured())).toBe(true);
    expect(structured.map(uuidText)).toEqual(asText.map(uuidText));
  });

  test('first and last stream position are told only to those who ask for compatibility 1', async () => {
    const positionCases = [ContentCase.FIRST_STREAM_POSITION, ContentCase.LAST_STREAM_POSITION];
    const plain = await read(stream, { count: 10n });
    expect(plain.kinds.filter((kind) => positionCases.includes(kind as never))).toEqual([]);
    const { messages } = await read(stream, { count: 10n, compatibility: 1 });
    const last = messages.find((message) => message.hasLastStreamPosition());
    expect(last?.getLastStreamPosition()).toBe('9');
  });

  test('with compatibility 1, a read that begins far before what is to be seen is told where that is', async () => {
    const truncated = await streamOf(server.client(), 'x'.repeat(50));
    await server.client().setStreamMetadata(truncated, { truncateBefore: 40 });
    const { kinds, messages } = await read(truncated, { count: 10n, compatibility: 1 });
    expect(kinds[0]).toBe(ContentCase.FIRST_STREAM_POSITION);
    expect(messages[0]?.getFirstStreamPosition()).toBe('40');
  });

  test('many pages come complete and in order, both ways', async () => {
    const long = newStream();
    for (let count = 0; count < 10; count++)
      await appendTypes(server.client(), long, 'abcdefghij'.repeat(30));
    const expected = 'abcdefghij'.repeat(300);
    expect(await typesOf(server.client(), long)).toBe(expected);
    expect(await typesOf(server.client(), long, { direction: BACKWARDS, fromRevision: END })).toBe(
      [...expected].reverse().join(''),
    );
    expect(await typesOf(server.client(), long, { direction: FORWARDS, fromRevision: 2_990n })).toBe(
      'abcdefghij',
    );
  });

  describe('with resolve_links', () => {
    /** A stream of links to events 0 and 2 of another stream, and to one that never was. */
    async function linksTo(target: string): Promise<string> {
      const links = newStream();
      const link = (data: string) => ({ id: randomUUID(), type: '$>', data, contentType: 'text/plain' });
      const call = server
        .protocol()
        .append(
          ...appendRequests(
            links,
            'no_stream',
            ...[`0@${target}`, `2@${target}`, `0@${newStream()}`].map(link),
          ),
        );
      expect((await call.end()).code).toBe(code.ok);
      return links;
    }

    test('the target comes as the event and the link beside it; a missing target leaves the event unset', async () => {
      const target = await streamOf(server.client(), 'abc');
      const links = await linksTo(target);
      const { events } = await read(links, { count: 10n, resolveLinks: true });
      const typeOf = (event?: ReadResp.ReadEvent.RecordedEvent) => event?.getMetadataMap().get('type');
      expect(events.map((event) => typeOf(event.getEvent()))).toEqual(['a', 'c', undefined]);
      expect(events.map((event) => typeOf(event.getLink()))).toEqual(['$>', '$>', '$>']);
      expect(events.map((event) => event.getLink()?.getStreamRevision())).toEqual(['0', '1', '2']);
      expect(events.map((event) => event.getEvent()?.getStreamRevision())).toEqual(['0', '2', undefined]);
    });

    test('a target that was deleted is missing, whichever way', async () => {
      const [deleted, tombstoned] = [
        await streamOf(server.client(), 'abc'),
        await streamOf(server.client(), 'abc'),
      ];
      const links = [await linksTo(deleted), await linksTo(tombstoned)];
      await server.client().deleteStream(deleted);
      await server.client().tombstoneStream(tombstoned);
      for (const name of links) {
        const { events } = await read(name, { count: 10n, resolveLinks: true });
        expect(events.map((event) => [event.hasEvent(), event.hasLink()])).toEqual(
          Array.from({ length: 3 }, () => [false, true]),
        );
      }
    });

    test('the position is that of the link', async () => {
      const links = await linksTo(await streamOf(server.client(), 'abc'));
      const { events } = await read(links, { count: 10n, resolveLinks: true });
      const unresolved = await read(links, { count: 10n });
      expect(events.map((event) => event.getCommitPosition())).toEqual(
        unresolved.events.map((event) => event.getCommitPosition()),
      );
    });

    test('without it links come as they are', async () => {
      const links = await linksTo(await streamOf(server.client(), 'abc'));
      expect(await typesOf(server.client(), links)).toBe('$>$>$>');
    });
  });
});
