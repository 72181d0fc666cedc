import { NO_STREAM, StreamDeletedError, WrongExpectedVersionError } from '@eventstore/db-client';
import { allEvents, startTestNode, testEvent, type TestNode } from '../../support/event-store-node';

// A restarted node knows no stream, so each append here makes it believe what the client expects.
let node: TestNode;
beforeAll(async () => {
  node = await startTestNode();
  await node.client().appendToStream('known', [first, testEvent()]);
  await Promise.all(
    retried.map(({ streamName, events }) => node.client().appendToStream(streamName, events, noStream)),
  );
  await node.client().appendToStream('retried-0', testEvent());
  await node.client().setStreamMetadata('with-metadata', { maxCount: 3 });
  await node.client().appendToStream('closed', testEvent());
  await node.client().tombstoneStream('closed');
  await node.client().appendToStream('deleted', testEvent());
  await node.client().deleteStream('deleted');
});
afterAll(() => node?.stop());
beforeEach(async () => {
  node.process().kill('SIGKILL');
  await node.restart();
});

const first = testEvent();
const noStream = { expectedRevision: NO_STREAM } as const;
const retried = Array.from({ length: 100 }, (_, index) => ({
  streamName: `retried-${index}`,
  events: [testEvent(), testEvent(), testEvent()],
}));

async function outcome(streamName: string, event = testEvent()): Promise<string> {
  try {
    const { nextExpectedRevision } = await node.client().appendToStream(streamName, event, noStream);
    return `at ${nextExpectedRevision}`;
  } catch (error) {
    if (error instanceof StreamDeletedError) return 'closed';
    return error instanceof WrongExpectedVersionError ? `current ${error.actualVersion}` : String(error);
  }
}

describe('an append that expects no stream, to a node that has not seen the stream', () => {
  test.each([
    ['a new stream', 'new', 'at 0'],
    ['a stream with events', 'known', 'current 1'],
    ['a stream with metadata alone', 'with-metadata', 'at 0'],
    ['a deleted stream', 'deleted', 'at 1'],
    ['a closed stream', 'closed', 'closed'],
  ])('%s', async (_case, streamName, expected) => {
    expect(await outcome(streamName)).toBe(expected);
  });

  test('a repetition of what began the stream', async () => {
    expect(await outcome('known', first)).toBe('at 0');
  });

  test('everything that was under way when the node ended, sent again at once', async () => {
    const answers = await Promise.all(
      retried.map(({ streamName, events }) => node.client().appendToStream(streamName, events, noStream)),
    );
    expect(answers.map(({ nextExpectedRevision }) => nextExpectedRevision)).toEqual(retried.map(() => 2n));
    const stored = (await allEvents(node.client())).filter(({ streamId }) => streamId.startsWith('retried-'));
    expect(stored).toHaveLength(301);
  });

  test('beside others of the same group: each is answered by itself, and no position is left out', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `group-${index}`);
    const outcomes = await Promise.all(
      ['known', ...names, 'known', names[7] ?? ''].map((name) => outcome(name)),
    );
    expect(outcomes).toEqual(['current 1', ...names.map(() => 'at 0'), 'current 1', 'current 0']);
    const positions = (await allEvents(node.client())).map((event) => Number(event.position.commit));
    expect(positions).toEqual(positions.map((_, index) => (positions[0] ?? 0) + index));
  });
});
