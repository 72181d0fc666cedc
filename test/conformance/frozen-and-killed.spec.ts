import {
  DeadlineExceededError,
  EventStoreDBClient,
  NO_STREAM,
  StreamNotFoundError,
  UnavailableError,
} from '@eventstore/db-client';
import { eventually } from '../support/eventually';
import { startTestNode, testEvent, type TestNode } from '../support/event-store-node';
import { failureOf, follow, typesOf } from './support/reading';
import { appendTypes, newStream, onlyIf, streamOf } from './support/servers';
import { serverUrlVariable } from './support/server-variables';
import { within } from './support/within';

const unavailable = 'unavailable';
const embeddedOnly = process.env[serverUrlVariable] === undefined;
const onEmbeddedNode = onlyIf(embeddedOnly, 'signals reach the embedded node alone');
const freeze = (node: TestNode): void => node.process().kill('SIGSTOP');
const resume = (node: TestNode): void => node.process().kill('SIGCONT');
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** The client's own 10 s and 10 s made short, without its warning against that. */
function connectWithShortKeepAlive(node: TestNode): EventStoreDBClient {
  const { warn } = console;
  const warning = jest.spyOn(console, 'warn').mockImplementation((...words: unknown[]) => {
    if (!/^Specified KeepAliveInterval of 1000 is less than/.test(String(words[0]))) warn(...words);
  });
  try {
    return EventStoreDBClient.connectionString(`${node.url()}&keepAliveInterval=1000&keepAliveTimeout=500`);
  } finally {
    warning.mockRestore();
  }
}

// event-store.md §4, "A node that freezes", and what the client makes of a node that ends. The node is the test's own.
describe.each(embeddedOnly ? ['embedded node, plain', 'embedded node, TLS'] : ['the given server'])(
  '%s › frozen and killed',
  (name) => {
    let node: TestNode;
    if (embeddedOnly) {
      beforeAll(async () => (node = await startTestNode({ secure: name.endsWith('TLS') })));
      afterAll(() => node?.stop());
    }

    onEmbeddedNode('frozen past the deadline: a Timeout once it resumes, and nothing written', async () => {
      const stream = newStream();
      await streamOf(node.client(), 'a');
      freeze(node);
      const appending = failureOf(
        node.client().appendToStream(stream, testEvent(), { deadline: 500, expectedRevision: NO_STREAM }),
      );
      await pause(1_500);
      resume(node);
      expect(await within(10_000, 'the answer', appending)).toBeInstanceOf(DeadlineExceededError);
      expect(await failureOf(typesOf(node.client(), stream))).toBeInstanceOf(StreamNotFoundError);
      expect((await appendTypes(node.client(), stream, 'a', NO_STREAM)).nextExpectedRevision).toBe(0n);
    });

    onEmbeddedNode('frozen for longer than the keep-alive: pending appends are unavailable', async () => {
      const stream = newStream();
      const client = connectWithShortKeepAlive(node);
      await streamOf(client, 'a');
      freeze(node);
      try {
        const appending = failureOf(client.appendToStream(stream, testEvent(), { deadline: 500 }));
        expect(await within(10_000, 'the failure', appending)).toMatchObject({ type: unavailable });
      } finally {
        resume(node);
      }
      expect(await failureOf(typesOf(node.client(), stream))).toBeInstanceOf(StreamNotFoundError);
      expect((await appendTypes(client, stream, 'a', NO_STREAM)).nextExpectedRevision).toBe(0n);
      await client.dispose();
    });

    onEmbeddedNode(
      'killed: pending appends and subscriptions are unavailable at once, and the next call reconnects',
      async () => {
        const stream = await streamOf(node.client(), 'ab');
        const seen = follow(node.client().subscribeToStream(stream));
        await eventually(() => expect(seen.types).toEqual(['a', 'b']));
        const client = node.client();
        freeze(node);
        const pending = Array.from({ length: 20 }, () =>
          failureOf(client.appendToStream(newStream(), testEvent())),
        );
        await pause(100);
        node.process().kill('SIGKILL');
        for (const failure of await within(5_000, 'the failures', Promise.all(pending)))
          expect(failure).toBeInstanceOf(UnavailableError);
        await eventually(() => expect(seen.errors[0]).toMatchObject({ type: unavailable }));
        const another = EventStoreDBClient.connectionString(node.url());
        expect(await failureOf(typesOf(another, stream))).toBeInstanceOf(UnavailableError);
        await node.restart();
        expect(await typesOf(another, stream)).toBe('ab');
        await another.dispose();
      },
    );

    onEmbeddedNode('what was acknowledged before a kill is there after it, tombstones too', async () => {
      const stream = await streamOf(node.client(), 'abc');
      const [closed, deleted] = [await streamOf(node.client(), 'a'), await streamOf(node.client(), 'a')];
      await node.client().tombstoneStream(closed);
      await node.client().deleteStream(deleted);
      node.process().kill('SIGKILL');
      await node.restart();
      expect(await typesOf(node.client(), stream)).toBe('abc');
      expect(await failureOf(typesOf(node.client(), closed))).toMatchObject({ type: 'stream-deleted' });
      expect(await failureOf(typesOf(node.client(), deleted))).toBeInstanceOf(StreamNotFoundError);
    });

    onEmbeddedNode(
      'repetitions with NO_STREAM and an exact revision are recognised after a kill',
      async () => {
        const stream = newStream();
        const [first, second] = [testEvent('a'), testEvent('b')];
        const append = (event: typeof first, expectedRevision: bigint | typeof NO_STREAM) =>
          node.client().appendToStream(stream, event, { expectedRevision });
        const answers = [await append(first, NO_STREAM), await append(second, 0n)];
        node.process().kill('SIGKILL');
        await node.restart();
        expect([await append(first, NO_STREAM), await append(second, 0n)]).toEqual(answers);
        expect(await typesOf(node.client(), stream)).toBe('ab');
      },
    );

    onEmbeddedNode('stopped by SIGTERM: a subscription ends as unavailable', async () => {
      const seen = follow(node.client().subscribeToStream(newStream()));
      await eventually(() => expect(seen.caughtUps).toBe(1));
      node.process().kill('SIGTERM');
      expect(await node.process().exited).toBe(0);
      await eventually(() => expect(seen.errors[0]).toMatchObject({ type: unavailable }));
      await node.restart();
    });
  },
);
