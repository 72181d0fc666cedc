import { binaryEvent, START, type Position, type ResolvedEvent } from '@eventstore/db-client';
import { eventually } from '../../support/eventually';
import { startTestNode, testEvent, type TestNode } from '../../support/event-store-node';

let node: TestNode;
let linksBegin: Position | typeof START = START;
beforeAll(async () => {
  node = await startTestNode();
  const client = node.client();
  await client.appendToStream('target', [testEvent('A'), testEvent('B'), testEvent('C')]);
  await client.setStreamMetadata('target', { truncateBefore: 1 });
  await client.appendToStream('erased', testEvent('Erased'));
  await client.tombstoneStream('erased');
  const { position } = await client.appendToStream('before', testEvent('Before'));
  linksBegin = position ?? START;
  await client.appendToStream('links', [
    ...[link('2@target'), link('1@target'), testEvent('Plain')],
    ...[link('0@target'), link('7@target'), link('0@missing'), link('0@erased'), link('no link')],
  ]);
});
afterAll(() => node?.stop());

const link = (text: string) => binaryEvent({ type: '$>', data: Buffer.from(text) });
const described = ({ event, link: by, commitPosition }: ResolvedEvent): string =>
  [event?.type ?? '-', by === undefined ? '' : `by ${by.revision}`, commitPosition === undefined ? '?' : '']
    .join(' ')
    .trim();

/** What can be seen of each target; hidden, missing and erased ones cannot, and neither can what is no link. */
const resolved = ['C by 0', 'B by 1', 'Plain', '- by 3', '- by 4', '- by 5', '- by 6', '- by 7'];

describe('links are resolved on demand', () => {
  test('reading a stream', async () => {
    const seen: string[] = [];
    for await (const event of node.client().readStream('links', { resolveLinkTos: true }))
      seen.push(described(event));
    expect(seen).toEqual(resolved);
  });

  test('reading $all; the position is the link’s', async () => {
    const positions: bigint[] = [];
    const seen: string[] = [];
    const options = { fromPosition: linksBegin, resolveLinkTos: true };
    for await (const event of node.client().readAll(options)) {
      seen.push(described(event));
      if (event.commitPosition !== undefined) positions.push(event.commitPosition);
    }
    expect(seen.slice(1)).toEqual(resolved);
    expect(positions).toEqual([...positions].sort((a, b) => Number(a - b)));
    expect(new Set(positions).size).toBe(seen.length);
  });

  test('subscribing, stored and live', async () => {
    const seen: string[] = [];
    const subscription = node.client().subscribeToStream('links', { resolveLinkTos: true });
    subscription.on('data', (event: ResolvedEvent) => seen.push(described(event)));
    await eventually(() => expect(seen).toEqual(resolved));
    await node.client().appendToStream('links', link('1@target'));
    await eventually(() => expect(seen).toEqual([...resolved, 'B by 8']));
    await subscription.unsubscribe();
  });

  test('not unless asked for', async () => {
    const types: string[] = [];
    for await (const { event } of node.client().readStream('links', { maxCount: 8 }))
      types.push(event?.type ?? '');
    expect(types).toEqual(['$>', '$>', 'Plain', '$>', '$>', '$>', '$>', '$>']);
  });
});

test('a fresh log begins with one system event, as that of a real node', async () => {
  for await (const { event } of node.client().readAll({ maxCount: 1 }))
    expect(event).toMatchObject({
      streamId: '$$$scavenges',
      type: '$metadata',
      data: { $maxAge: 2_592_000 },
    });
});
