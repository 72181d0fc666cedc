import {
  ANY,
  binaryEvent,
  jsonEvent,
  NO_STREAM,
  STREAM_EXISTS,
  StreamNotFoundError,
  DeadlineExceededError,
  WrongExpectedVersionError,
  type AppendExpectedRevision,
  type EventStoreDBClient,
} from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { allEvents, connect, startTestNode, testEvent, type TestNode } from '../../support/event-store-node';

let node: TestNode;
let streams = 0;
const newStream = (): string => `append-${(streams += 1)}`;
beforeAll(async () => (node = await startTestNode()));
afterAll(() => node?.stop());

// Credentials of a call's own make the client take the other RPC; without TLS they are not sent.
const paths = [
  ['BatchAppend', {}],
  ['Append', { credentials: { username: 'u', password: 'p' } }],
] as const;

describe.each(paths)('appending over %s', (_rpc, options) => {
  const append = (stream: string, types: string, expectedRevision: AppendExpectedRevision, ids?: string[]) =>
    node.client().appendToStream(
      stream,
      [...types].map((type, index) => testEvent(type, { type }, ids?.[index])),
      { expectedRevision, ...options },
    );

  test('each expectation that holds is accepted, and the revision counts on', async () => {
    const stream = newStream();
    expect((await append(stream, 'ab', NO_STREAM)).nextExpectedRevision).toBe(1n);
    expect((await append(stream, 'c', 1n)).nextExpectedRevision).toBe(2n);
    expect((await append(stream, 'd', STREAM_EXISTS)).nextExpectedRevision).toBe(3n);
    const last = await append(stream, 'ef', ANY);
    expect(last.nextExpectedRevision).toBe(5n);
    const stored = (await allEvents(node.client())).filter((event) => event.streamId === stream);
    expect(stored.map((event) => event.type).join('')).toBe('abcdef');
    expect(stored.at(-1)?.position.commit).toBe(last.position?.commit);
  });

  test.each([
    ['no stream on one that exists', NO_STREAM],
    ['a revision behind', 0n],
    ['a revision ahead', 7n],
  ] as const)('%s is refused with the true revision', async (_name, expected) => {
    const stream = newStream();
    await append(stream, 'ab', NO_STREAM);
    const failure = await append(stream, 'x', expected).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(WrongExpectedVersionError);
    expect(failure).toMatchObject({ streamName: stream, actualVersion: 1n });
  });

  test('existence is refused on a missing stream', async () => {
    const failure = await append(newStream(), 'x', STREAM_EXISTS).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(WrongExpectedVersionError);
  });

  test.each([
    ['an exact revision', 0n],
    ['no stream', NO_STREAM],
    ['any', ANY],
    ['stream exists', STREAM_EXISTS],
  ] as const)(
    'a repetition with %s writes nothing and answers as the first time',
    async (_name, expected) => {
      const stream = newStream();
      if (expected !== NO_STREAM) await append(stream, 'o', NO_STREAM);
      const ids = [randomUUID(), randomUUID()];
      const first = await append(stream, 'ab', expected, ids);
      await append(stream, 'z', first.nextExpectedRevision);
      expect(await append(stream, 'ab', expected, ids)).toEqual(first);
      const count = (await allEvents(node.client())).filter((event) => event.streamId === stream).length;
      expect(count).toBe(expected === NO_STREAM ? 3 : 4);
    },
  );

  test('an append without events leaves a missing stream missing', async () => {
    const stream = newStream();
    await node.client().appendToStream(stream, [], { expectedRevision: NO_STREAM, ...options });
    await expect(firstOf(node.client(), stream)).rejects.toBeInstanceOf(StreamNotFoundError);
    expect((await append(stream, 'a', NO_STREAM)).nextExpectedRevision).toBe(0n);
  });

  test('one MiB passes, one byte more does not', async () => {
    const sized = (size: number) => binaryEvent({ type: 'b', data: Buffer.alloc(size - 2) });
    await node.client().appendToStream(newStream(), sized(1024 * 1024), { ...options });
    await expect(
      node.client().appendToStream(newStream(), sized(1024 * 1024 + 1), { ...options }),
    ).rejects.toMatchObject({ type: 'maximum-append-size-exceeded' });
  });
});

async function firstOf(client: EventStoreDBClient, stream: string) {
  for await (const { event } of client.readStream(stream)) return event;
  return undefined;
}

test('JSON, binary and metadata come back as they were', async () => {
  const stream = newStream();
  const bytes = Buffer.from([0, 255, 10, 13, 0]);
  await node
    .client()
    .appendToStream(stream, [
      jsonEvent({ type: 'json', data: { text: 'ä€😀', n: 1 }, metadata: { actor: 'x' } }),
      binaryEvent({ type: 'binary', data: bytes, metadata: Buffer.from('m') }),
    ]);
  const events = [];
  for await (const { event } of node.client().readStream(stream)) events.push(event);
  expect(events[0]).toMatchObject({ isJson: true, data: { text: 'ä€😀', n: 1 }, metadata: { actor: 'x' } });
  expect(events[1]?.isJson).toBe(false);
  expect(Buffer.from(events[1]?.data as Uint8Array)).toEqual(bytes);
});

test('a deadline that has passed is answered with a timeout and writes nothing', async () => {
  const stream = newStream();
  await expect(node.client().appendToStream(stream, testEvent(), { deadline: -1 })).rejects.toBeInstanceOf(
    DeadlineExceededError,
  );
  await expect(firstOf(node.client(), stream)).rejects.toBeInstanceOf(StreamNotFoundError);
});

test('fifty clients append at once: each to its own stream, and all to one', async () => {
  const before = (await allEvents(node.client())).length;
  const shared = newStream();
  const clients = Array.from({ length: 50 }, () => connect(node.port()));
  await Promise.all(
    clients.map(async (client, index) => {
      for (let count = 0; count < 4; count++) {
        await client.appendToStream(`many-${index}`, testEvent(), {
          expectedRevision: count === 0 ? NO_STREAM : BigInt(count - 1),
        });
        await client.appendToStream(shared, testEvent('Shared'));
      }
    }),
  );
  await Promise.all(clients.map((client) => client.dispose()));
  const events = await allEvents(node.client());
  expect(events).toHaveLength(before + 400);
  const positions = events.map((event) => event.position.commit);
  expect(new Set(positions).size).toBe(positions.length);
  expect(positions).toEqual([...positions].sort((a, b) => (a < b ? -1 : 1)));
  expect(events.filter((event) => event.streamId === shared).map((event) => Number(event.revision))).toEqual(
    Array.from({ length: 200 }, (_, revision) => revision),
  );
});

test('of many appends that expect the same revision exactly one wins', async () => {
  const stream = newStream();
  const results = await Promise.allSettled(
    Array.from({ length: 40 }, () =>
      node.client().appendToStream(stream, testEvent(), { expectedRevision: NO_STREAM }),
    ),
  );
  expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
});
