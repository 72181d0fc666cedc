import {
  END,
  eventTypeFilter,
  START,
  StreamDeletedError,
  streamNameFilter,
  type AllStreamSubscription,
  type Filter,
  type Position,
  type StreamSubscription,
} from '@eventstore/db-client';
import { eventually } from '../../support/eventually';
import { allEvents, startTestNode, testEvent, type TestNode } from '../../support/event-store-node';

let node: TestNode;
beforeAll(async () => (node = await startTestNode()));
afterAll(() => node?.stop());

interface Seen {
  readonly types: string[];
  readonly errors: unknown[];
  caughtUps: number;
  stop(): Promise<void>;
}

/** Collects what a subscription delivers; system events of the tests' own metadata are left out where not wanted. */
function collect(subscription: AllStreamSubscription | StreamSubscription): Seen {
  const seen: Seen = { types: [], errors: [], caughtUps: 0, stop: () => subscription.unsubscribe() };
  subscription.on('data', ({ event }: { event?: { type: string } }) => seen.types.push(event?.type ?? ''));
  subscription.on('error', (error: unknown) => seen.errors.push(error));
  subscription.on('caughtUp', () => (seen.caughtUps += 1));
  return seen;
}

describe('subscribing to $all with a filter', () => {
  test.each<[string, Filter, string[]]>([
    [
      'every type but one, and no system events',
      eventTypeFilter({ regex: '^(?!\\$|MessageContentStored$)' }),
      ['MessageReceived', 'Other', 'MessageReceived', 'LiveStored', 'LiveReceived'],
    ],
    [
      'type prefixes',
      eventTypeFilter({ prefixes: ['MessageR', 'Live'] }),
      ['MessageReceived', 'MessageReceived', 'LiveStored', 'LiveReceived'],
    ],
    [
      'stream prefixes',
      streamNameFilter({ prefixes: ['message-t1.'] }),
      ['MessageContentStored', 'MessageReceived', 'LiveStored', 'LiveReceived'],
    ],
    ['a stream expression', streamNameFilter({ regex: '^message-t2\\.' }), ['MessageReceived']],
  ])('%s: stored events, then live ones', async (_name, filter, expected) => {
    const append = (stream: string, ...types: string[]) =>
      node.client().appendToStream(
        stream,
        types.map((type) => testEvent(type)),
      );
    // The log of the case begins here.
    const { position: fromPosition = START } = await append('before', 'Before');
    await append('message-t1.a', 'MessageContentStored', 'MessageReceived');
    await append('other-t1.a', 'Other');
    await append('message-t2.a', 'MessageReceived');
    await node.client().setStreamMetadata('other-t1.a', { maxCount: 5 });
    const seen = collect(node.client().subscribeToAll({ fromPosition, filter }));
    await eventually(() => expect(seen.caughtUps).toBe(1));
    await append('message-t1.a', 'LiveStored', 'LiveReceived');
    await eventually(() => expect(seen.types).toEqual(expected));
    await seen.stop();
  });

  test('checkpoints tell how far it has looked, and resuming at one loses nothing', async () => {
    const filter = (checkpointReached: (position: Position) => void) =>
      eventTypeFilter({
        prefixes: ['Wanted'],
        checkpointInterval: 1,
        checkpointReached: async (_subscription, position) => checkpointReached(position),
      });
    const append = (count: number, type: string) =>
      node.client().appendToStream(
        'checkpoints',
        Array.from({ length: count }, () => testEvent(type)),
      );
    await append(100, 'Boring');
    const checkpoints: Position[] = [];
    const first = collect(
      node.client().subscribeToAll({ filter: filter((position) => checkpoints.push(position)) }),
    );
    await eventually(() => expect(first.caughtUps).toBe(1));
    const events = await allEvents(node.client());
    await eventually(() => expect(checkpoints.at(-1)?.commit).toBe(events.at(-1)?.position.commit));
    expect(checkpoints.length).toBeGreaterThanOrEqual(Math.floor(events.length / 32));
    const count = checkpoints.length;
    await append(40, 'Boring');
    await eventually(() => expect(checkpoints.length).toBeGreaterThan(count));
    await first.stop();
    await append(1, 'Wanted');
    const fromPosition = checkpoints.at(-1) ?? START;
    const second = collect(node.client().subscribeToAll({ fromPosition, filter: filter(() => undefined) }));
    await eventually(() => expect(second.types).toEqual(['Wanted']));
    await second.stop();
  });
});

test('subscribing to $all from the end delivers only what comes', async () => {
  await node.client().appendToStream('end', testEvent('Before'));
  const seen = collect(node.client().subscribeToAll({ fromPosition: END }));
  await eventually(() => expect(seen.caughtUps).toBe(1));
  await node.client().appendToStream('end', testEvent('After'));
  await eventually(() => expect(seen.types).toEqual(['After']));
  await seen.stop();
});

test('a position beyond the end of this log is refused', async () => {
  const fromPosition = { commit: 10_000_000n, prepare: 10_000_000n };
  const seen = collect(node.client().subscribeToAll({ fromPosition }));
  await eventually(() => expect(seen.errors).toHaveLength(1));
  expect(String(seen.errors[0])).toContain('invalid position');
});

describe('subscribing to a stream', () => {
  test('that is missing waits for it', async () => {
    const seen = collect(node.client().subscribeToStream('later'));
    await eventually(() => expect(seen.caughtUps).toBe(1));
    await node.client().appendToStream('later', [testEvent('a'), testEvent('b')]);
    await eventually(() => expect(seen.types).toEqual(['a', 'b']));
    await seen.stop();
  });

  test('from a revision delivers what follows it', async () => {
    await node.client().appendToStream(
      'from',
      ['a', 'b', 'c'].map((type) => testEvent(type)),
    );
    const seen = collect(node.client().subscribeToStream('from', { fromRevision: 0n }));
    const fromEnd = collect(node.client().subscribeToStream('from', { fromRevision: END }));
    await eventually(() => expect([seen.caughtUps, fromEnd.caughtUps]).toEqual([1, 1]));
    await node.client().appendToStream('from', testEvent('d'));
    await eventually(() => expect(seen.types).toEqual(['b', 'c', 'd']));
    await eventually(() => expect(fromEnd.types).toEqual(['d']));
    await seen.stop();
    await fromEnd.stop();
  });

  test('that is tombstoned delivers the tombstone and ends', async () => {
    await node.client().appendToStream('doomed', testEvent('a'));
    const seen = collect(node.client().subscribeToStream('doomed'));
    await eventually(() => expect(seen.caughtUps).toBe(1));
    await node.client().tombstoneStream('doomed');
    await eventually(() => expect(seen.errors).toHaveLength(1));
    expect(seen.types).toEqual(['a', '$streamDeleted']);
    expect(seen.errors[0]).toBeInstanceOf(StreamDeletedError);
  });
});

test('a subscriber that does not read holds nothing back, and gets everything in the end', async () => {
  const subscription = node.client().subscribeToStream('slow');
  subscription.pause();
  const filler = 'x'.repeat(100_000);
  for (let count = 0; count < 250; count++)
    await node.client().appendToStream('slow', testEvent(String(count), { filler }));
  const seen = collect(subscription);
  subscription.resume();
  await eventually(() => expect(seen.types).toHaveLength(250), 20_000);
  expect(seen.types).toEqual(Array.from({ length: 250 }, (_, count) => String(count)));
  await seen.stop();
});
