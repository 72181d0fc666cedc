import { BatchAppendReq } from '@eventstore/db-client/generated/streams_pb';
import { jsonEvent } from '@eventstore/db-client';
import { decodeBodiesNatively } from '../../../../apps/shared/event-store/client-internals';
import { startTestNode, type TestNode } from '../../../support/event-store-node';

const { ProposedMessage } = BatchAppendReq;
const bodies = ['', '{}', 'e', '日本語 🎏', JSON.stringify({ text: 'x'.repeat(1_001) })];
const encoded = (body: string): Uint8Array =>
  new ProposedMessage()
    .setData(Buffer.from(body).toString('base64'))
    .setCustomMetadata(Buffer.from(`meta ${body}`).toString('base64'))
    .serializeBinary();
const asTheClientDoesIt = bodies.map(encoded);

describe('bodies decoded by Node', () => {
  let node: TestNode;
  beforeAll(async () => {
    node = await startTestNode();
    decodeBodiesNatively();
  });
  afterAll(() => node?.stop());

  test('go over the wire as they would have gone', () => {
    expect(bodies.map(encoded)).toEqual(asTheClientDoesIt);
  });

  test('are still what the client makes of an event', async () => {
    const set = jest.spyOn(ProposedMessage.prototype, 'setData');
    const [first = ''] = bodies.slice(3);
    await node.client().appendToStream('s', jsonEvent({ type: 'T', data: { first } }));
    const [message] = set.mock.contexts as InstanceType<typeof ProposedMessage>[];
    expect(set.mock.calls).toEqual([[expect.any(String)]]);
    expect(message?.getData()).toBeInstanceOf(Uint8Array);
    const read: unknown[] = [];
    for await (const { event } of node.client().readStream('s')) read.push(event?.data);
    expect(read).toEqual([{ first }]);
  });
});
