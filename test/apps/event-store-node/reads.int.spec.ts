import {
  BACKWARDS,
  END,
  FORWARDS,
  START,
  StreamNotFoundError,
  type ReadAllOptions,
  type ReadStreamOptions,
} from '@eventstore/db-client';
import { allEvents, connect, startTestNode, testEvent, type TestNode } from '../../support/event-store-node';

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode();
  // Three appends of different sizes, so that reads begin and end inside of rows.
  await node.client().appendToStream(
    'read',
    ['0', '1', '2', '3'].map((type) => testEvent(type)),
  );
  await node.client().appendToStream('other', testEvent('x'));
  await node.client().appendToStream('read', testEvent('4'));
  await node.client().appendToStream(
    'read',
    ['5', '6', '7', '8', '9'].map((type) => testEvent(type)),
  );
});
afterAll(() => node?.stop());

async function types(options: ReadStreamOptions): Promise<string> {
  let text = '';
  for await (const { event } of node.client().readStream('read', options)) text += event?.type;
  return text;
}

describe('reading a stream', () => {
  test.each([
    ['all', {}, '0123456789'],
    ['from inside an append', { fromRevision: 2n }, '23456789'],
    ['a count', { fromRevision: 2n, maxCount: 4 }, '2345'],
    ['from the last', { fromRevision: 9n }, '9'],
    ['past the end', { fromRevision: 10n }, ''],
    ['backwards', { direction: BACKWARDS, fromRevision: END }, '9876543210'],
    ['backwards from inside an append', { direction: BACKWARDS, fromRevision: 6n }, '6543210'],
    ['backwards, a count', { direction: BACKWARDS, fromRevision: 6n, maxCount: 3 }, '654'],
    ['backwards from past the end', { direction: BACKWARDS, fromRevision: 50n, maxCount: 2 }, '98'],
    ['backwards from the start', { direction: BACKWARDS, fromRevision: START }, '0'],
    ['backwards from the end, one', { direction: BACKWARDS, fromRevision: END, maxCount: 1 }, '9'],
    ['nothing', { maxCount: 0 }, ''],
    ['forwards from the end', { direction: FORWARDS, fromRevision: END }, ''],
  ] as const)('%s', async (_name, options, expected) => {
    expect(await types(options)).toBe(expected);
  });

  test('a missing stream is not found', async () => {
    await expect(async () => {
      for await (const _ of node.client().readStream('missing'));
    }).rejects.toBeInstanceOf(StreamNotFoundError);
  });
});

describe('reading $all', () => {
  test('forwards from a position is inclusive, backwards exclusive', async () => {
    const events = await allEvents(node.client());
    const middle = events[4];
    if (middle === undefined) throw new Error('too few events');
    const forwards = [];
    for await (const { event } of node.client().readAll({ fromPosition: middle.position }))
      forwards.push(event?.id);
    expect(forwards).toEqual(events.slice(4).map((event) => event.id));
    const backwards = [];
    for await (const { event } of node
      .client()
      .readAll({ direction: BACKWARDS, fromPosition: middle.position, maxCount: 2 }))
      backwards.push(event?.id);
    expect(backwards).toEqual([events[3]?.id, events[2]?.id]);
  });

  test('the edges', async () => {
    const count = async (options: ReadAllOptions) => {
      let found = 0;
      for await (const _ of node.client().readAll(options)) found += 1;
      return found;
    };
    const total = (await allEvents(node.client())).length;
    expect(await count({ direction: FORWARDS, fromPosition: END })).toBe(0);
    expect(await count({ direction: BACKWARDS, fromPosition: START })).toBe(0);
    expect(await count({ direction: BACKWARDS, fromPosition: END })).toBe(total);
    expect(await count({ fromPosition: { commit: 0n, prepare: 0n } })).toBe(total);
    expect(await count({ fromPosition: { commit: 1_000_000n, prepare: 1_000_000n } })).toBe(0);
    expect(await count({ maxCount: 0 })).toBe(0);
  });

  test('positions start above 0, and commit and prepare are one', async () => {
    const [first] = await allEvents(node.client());
    expect(first?.position.commit).toBeGreaterThan(0n);
    expect(first?.position.commit).toBe(first?.position.prepare);
  });
});

test('a client finds the node by gossip', async () => {
  const client = connect(node.port(), 'esdb+discover');
  await client.appendToStream('discovered', testEvent());
  await client.dispose();
});

test('many pages of large events come complete and in order', async () => {
  const filler = 'x'.repeat(200_000);
  for (let count = 0; count < 100; count++)
    await node.client().appendToStream('large', testEvent('Large', { count, filler }));
  const counts = [];
  for await (const { event } of node.client().readStream<never>('large'))
    counts.push((event as unknown as { data: { count: number } }).data.count);
  expect(counts).toEqual(Array.from({ length: 100 }, (_, count) => count));
});
