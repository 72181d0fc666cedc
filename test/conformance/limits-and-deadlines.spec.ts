import {
  binaryEvent,
  DeadlineExceededError,
  MaxAppendSizeExceededError,
  NO_STREAM,
  StreamNotFoundError,
} from '@eventstore/db-client';
import { eventually } from '../support/eventually';
import { failureOf, typesOf } from './support/reading';
import { readStreamRequest } from './support/requests';
import { appendPaths, appendTypes, describeOnEachServer, newStream, onlyOnOurNode } from './support/servers';

const defaultAppendBytesMax = 1024 * 1024;
/** What a server can be set to take at most. */
const largestAppendBytesMax = 16_767_216;
const streamsPerConnectionMax = 100;

// event-store.md §4, "Max append size", "BatchAppend replies" (deadline) and "HTTP/2".
describeOnEachServer('limits and deadlines', (server) => {
  /** What this server is set to take in one append, as it tells when it refuses. */
  async function appendBytesMax(): Promise<number> {
    for (const size of [defaultAppendBytesMax, largestAppendBytesMax]) {
      const outcome = await server
        .client()
        .appendToStream(newStream(), binaryEvent({ type: 'b', data: Buffer.alloc(size + 1) }))
        .catch((error: unknown) => error);
      if (outcome instanceof MaxAppendSizeExceededError) return outcome.maxAppendSize;
    }
    throw new Error(`an append of more than ${largestAppendBytesMax} bytes was taken`);
  }

  describe.each(appendPaths(server))('the append size over %s', (_rpc, options) => {
    let limit: number;
    beforeAll(async () => (limit = await appendBytesMax()));
    // Servers up to 24.10.1 count data alone, later ones metadata and types (two bytes a character) as well.
    const overhead = 'b'.length * 2;

    test('an append of the limit passes, counted either way', async () => {
      const stream = newStream();
      const metadata = Buffer.alloc(1_000);
      const data = Buffer.alloc(limit - metadata.length - overhead);
      await server
        .client()
        .appendToStream(stream, binaryEvent({ type: 'b', data, metadata }), { ...options });
      expect(await typesOf(server.client(), stream)).toBe('b');
    });

    test('one byte of data more is refused, tells the limit, and writes nothing', async () => {
      const stream = newStream();
      const appending = server
        .client()
        .appendToStream(stream, binaryEvent({ type: 'b', data: Buffer.alloc(limit + 1) }), { ...options });
      const failure = await failureOf(appending);
      expect(failure).toBeInstanceOf(MaxAppendSizeExceededError);
      expect(failure).toMatchObject({ maxAppendSize: limit });
      expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
    });

    onlyOnOurNode(server, 'up to 24.10.1 counts data alone')('metadata and type are counted', async () => {
      const append = async (type: string, metadataBytes: number) => {
        const data = Buffer.alloc(limit - 200);
        const event = binaryEvent({ type, data, metadata: Buffer.alloc(metadataBytes) });
        return server.client().appendToStream(newStream(), event, { ...options });
      };
      expect((await append('b', 198)).success).toBe(true);
      expect(await failureOf(append('b', 199))).toBeInstanceOf(MaxAppendSizeExceededError);
      expect((await append('b'.repeat(100), 0)).success).toBe(true);
      expect(await failureOf(append('b'.repeat(101), 0))).toBeInstanceOf(MaxAppendSizeExceededError);
    });

    test('the events of one append are counted together', async () => {
      const stream = newStream();
      const third = () => binaryEvent({ type: 'b', data: Buffer.alloc(Math.ceil((limit + 1) / 3)) });
      const appending = server.client().appendToStream(stream, [third(), third(), third()], { ...options });
      expect(await failureOf(appending)).toBeInstanceOf(MaxAppendSizeExceededError);
      await server.client().appendToStream(stream, [third(), third()], { ...options });
      expect(await typesOf(server.client(), stream)).toBe('bb');
    });
  });

  test('a deadline that has passed is a timeout, and nothing is written', async () => {
    const stream = newStream();
    const event = binaryEvent({ type: 'b', data: Buffer.alloc(0) });
    const appending = server.client().appendToStream(stream, event, { deadline: -1 });
    expect(await failureOf(appending)).toBeInstanceOf(DeadlineExceededError);
    expect(await failureOf(typesOf(server.client(), stream))).toBeInstanceOf(StreamNotFoundError);
  });

  test('the call goes on after a timeout: the next append of the same client is written', async () => {
    const stream = newStream();
    const event = binaryEvent({ type: 'b', data: Buffer.alloc(0) });
    const late = server.client().appendToStream(newStream(), event, { deadline: -1 });
    await failureOf(late);
    expect((await appendTypes(server.client(), stream, 'a', NO_STREAM)).nextExpectedRevision).toBe(0n);
  });

  test('a thousand appends at once are all answered', async () => {
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, () => appendTypes(server.client(), newStream(), 'a', NO_STREAM)),
    );
    expect(answers.every(({ success }) => success)).toBe(true);
  });

  test('of 101 calls over one connection the last waits without an error until another ends', async () => {
    const client = server.protocol();
    const calls = Array.from({ length: streamsPerConnectionMax + 1 }, () =>
      client.read(readStreamRequest(newStream())),
    );
    const started = () => calls.filter((call) => call.messages[0]?.hasConfirmation());
    await eventually(() => expect(started()).toHaveLength(streamsPerConnectionMax));
    await new Promise((done) => setTimeout(done, 300));
    expect(started()).toHaveLength(streamsPerConnectionMax);
    started()[0]?.cancel();
    await eventually(() => expect(started()).toHaveLength(streamsPerConnectionMax + 1));
    client.close();
  });
});
