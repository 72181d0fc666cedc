import {
  NO_STREAM,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedVersionError,
  type StreamMetadata,
} from '@eventstore/db-client';
import { eventually } from '../../support/eventually';
import { allEvents, startTestNode, testEvent, type TestNode } from '../../support/event-store-node';

let node: TestNode;
let streams = 0;
beforeAll(async () => (node = await startTestNode()));
afterAll(() => node?.stop());

/** A new stream of events typed a, b, c, … */
async function stream(types: string): Promise<string> {
  const name = `delete-${(streams += 1)}`;
  await node.client().appendToStream(
    name,
    [...types].map((type) => testEvent(type)),
  );
  return name;
}

async function types(name: string): Promise<string> {
  let text = '';
  for await (const { event } of node.client().readStream(name)) text += event?.type;
  return text;
}

describe('stream metadata', () => {
  test.each<[string, StreamMetadata, string]>([
    ['$maxCount', { maxCount: 2 }, 'de'],
    ['$maxCount above the length', { maxCount: 9 }, 'abcde'],
    ['$tb', { truncateBefore: 3 }, 'de'],
    ['$tb at the end hides all, but the stream is there', { truncateBefore: 5 }, ''],
    ['$maxAge not reached', { maxAge: 1000 }, 'abcde'],
    ['both', { maxCount: 4, truncateBefore: 4 }, 'e'],
  ])('%s', async (_name, metadata, visible) => {
    const name = await stream('abcde');
    await node.client().setStreamMetadata(name, metadata);
    expect(await types(name)).toBe(visible);
    expect((await node.client().getStreamMetadata(name)).metadata).toEqual(metadata);
    const all = (await allEvents(node.client())).filter((event) => event.streamId === name);
    expect(all).toHaveLength(5);
  });

  test('$maxAge hides what has become too old', async () => {
    const name = await stream('ab');
    await node.client().setStreamMetadata(name, { maxAge: 1 });
    await eventually(async () => expect(await types(name)).toBe(''));
    await node.client().appendToStream(name, testEvent('c'));
    expect(await types(name)).toBe('c');
  });

  test('its stream shows the last event only', async () => {
    const name = await stream('a');
    await node.client().setStreamMetadata(name, { maxCount: 1 });
    await node.client().setStreamMetadata(name, { maxCount: 2 });
    expect(await types(`$$${name}`)).toBe('$metadata');
  });

  test('a stream that has nothing else is not found', async () => {
    await node.client().setStreamMetadata('only-metadata', { maxCount: 1 });
    await expect(types('only-metadata')).rejects.toBeInstanceOf(StreamNotFoundError);
  });
});

describe('a soft delete', () => {
  test('hides the stream; writing again goes on counting and shows only the new events', async () => {
    const name = await stream('abc');
    await node.client().setStreamMetadata(name, { maxCount: 50, owner: 'me' });
    await node.client().deleteStream(name, { expectedRevision: 2n });
    await expect(types(name)).rejects.toBeInstanceOf(StreamNotFoundError);
    const { nextExpectedRevision } = await node
      .client()
      .appendToStream(name, [testEvent('d'), testEvent('e')], { expectedRevision: NO_STREAM });
    expect(nextExpectedRevision).toBe(4n);
    expect(await types(name)).toBe('de');
    // The delete had replaced all metadata.
    expect((await node.client().getStreamMetadata(name)).metadata).toEqual({ truncateBefore: 3 });
  });

  test('may be repeated, and compares the revision', async () => {
    const name = await stream('ab');
    await expect(node.client().deleteStream(name, { expectedRevision: 0n })).rejects.toBeInstanceOf(
      WrongExpectedVersionError,
    );
    await node.client().deleteStream(name);
    await node.client().deleteStream(name);
    await expect(node.client().deleteStream('never-was')).rejects.toBeInstanceOf(WrongExpectedVersionError);
  });

  test('writing metadata undoes it for what comes', async () => {
    const name = await stream('ab');
    await node.client().deleteStream(name);
    await node.client().setStreamMetadata(name, { owner: 'me' });
    expect(await types(name)).toBe('');
    expect((await node.client().getStreamMetadata(name)).metadata).toEqual({
      owner: 'me',
      truncateBefore: 2,
    });
  });
});

describe('a tombstone', () => {
  test('closes a stream for ever', async () => {
    const name = await stream('ab');
    await node.client().tombstoneStream(name, { expectedRevision: 1n });
    await expect(types(name)).rejects.toBeInstanceOf(StreamDeletedError);
    await expect(node.client().appendToStream(name, testEvent())).rejects.toBeInstanceOf(StreamDeletedError);
    await expect(node.client().setStreamMetadata(name, {})).rejects.toBeInstanceOf(StreamDeletedError);
    await expect(node.client().deleteStream(name)).rejects.toBeInstanceOf(StreamDeletedError);
    await expect(node.client().tombstoneStream(name)).rejects.toBeInstanceOf(StreamDeletedError);
  });

  test('may be set where no stream is, and survives a restart of the node', async () => {
    await node.client().tombstoneStream('closed-before-use', { expectedRevision: NO_STREAM });
    node.process().kill('SIGTERM');
    expect(await node.process().exited).toBe(0);
    await node.restart();
    await expect(node.client().appendToStream('closed-before-use', testEvent())).rejects.toBeInstanceOf(
      StreamDeletedError,
    );
  });
});
