import { binaryEvent, jsonEvent, NO_STREAM, type ResolvedEvent } from '@eventstore/db-client';
import type { ReadResp } from '@eventstore/db-client/generated/streams_pb';
import { randomUUID } from 'node:crypto';
import { allOf, positionNow, typesOf } from './support/reading';
import { appendRequests, readStreamRequest, uuidText, type Proposal } from './support/requests';
import { appendTypes, describeOnEachServer, newStream } from './support/servers';

type Recorded = ReadResp.ReadEvent.RecordedEvent;

const textOf = (bytes: Uint8Array | string | undefined): string => Buffer.from(bytes ?? '').toString();
const dayMs = 86_400_000;

// event-store.md §4, "Proposed message" and "Read": what is kept of an event, and how it comes back.
describeOnEachServer('recorded events', (server) => {
  async function recorded(...events: Proposal[]): Promise<Recorded[]> {
    const stream = newStream();
    await server
      .protocol()
      .append(...appendRequests(stream, NO_STREAM, ...events))
      .end();
    const call = server.protocol().read(readStreamRequest(stream, { count: 100n }));
    await call.end();
    return call.messages.flatMap((message) => message.getEvent()?.getEvent() ?? []);
  }

  async function recordedOne(event: Proposal): Promise<Recorded> {
    const [first] = await recorded(event);
    if (first === undefined) throw new Error('The event was not stored');
    return first;
  }

  test('JSON, binary and metadata come back through the client as they were', async () => {
    const stream = newStream();
    const bytes = Buffer.from([0, 255, 10, 13, 0]);
    await server
      .client()
      .appendToStream(stream, [
        jsonEvent({ type: 'json', data: { text: 'ä€😀', n: 1 }, metadata: { actor: 'x' } }),
        binaryEvent({ type: 'binary', data: bytes, metadata: Buffer.from('m') }),
      ]);
    const events: ResolvedEvent['event'][] = [];
    for await (const { event } of server.client().readStream(stream)) events.push(event);
    expect(events[0]).toMatchObject({ isJson: true, type: 'json', streamId: stream, revision: 0n });
    expect(events[0]).toMatchObject({ data: { text: 'ä€😀', n: 1 }, metadata: { actor: 'x' } });
    expect(events[1]).toMatchObject({ isJson: false, type: 'binary', revision: 1n });
    expect(Buffer.from(events[1]?.data as Uint8Array)).toEqual(bytes);
  });

  test.each([
    ['application/json', 'application/json'],
    ['application/octet-stream', 'application/octet-stream'],
    ['application/JSON', 'application/octet-stream'],
    ['application/json; charset=utf-8', 'application/octet-stream'],
    ['text/plain', 'application/octet-stream'],
    ['', 'application/octet-stream'],
  ])('the content type %j comes back as %j', async (contentType, expected) => {
    expect((await recordedOne({ contentType })).getMetadataMap().get('content-type')).toBe(expected);
  });

  test('JSON is not validated', async () => {
    const event = await recordedOne({ data: '{ not json', contentType: 'application/json' });
    expect(textOf(event.getData())).toBe('{ not json');
    expect(event.getMetadataMap().get('content-type')).toBe('application/json');
  });

  test('empty data is legal', async () => {
    const event = await recordedOne({ data: '' });
    expect(event.getData_asU8()).toHaveLength(0);
  });

  test('custom metadata are bytes of the client', async () => {
    const customMetadata = Buffer.from([1, 0, 2]);
    expect(Buffer.from((await recordedOne({ customMetadata })).getCustomMetadata_asU8())).toEqual(
      customMetadata,
    );
  });

  test('extra metadata keys and a created of the client are dropped', async () => {
    const otherMetadata = { 'x-extra': '1', created: '12345' };
    const metadata = (await recordedOne({ otherMetadata })).getMetadataMap();
    expect([...metadata.keys()].sort()).toEqual(['content-type', 'created', 'type']);
    expect(metadata.get('created')).not.toBe('12345');
  });

  test('created counts 100 ns ticks since 1970, as decimal text', async () => {
    const created = (await recordedOne({})).getMetadataMap().get('created') ?? '';
    expect(created).toMatch(/^\d+$/);
    // The server's clock need not be ours.
    expect(Math.abs(Number(BigInt(created) / 10_000n) - Date.now())).toBeLessThan(dayMs);
  });

  test('id, stream, revision and positions are told with each event', async () => {
    const id = randomUUID();
    const before = await positionNow(server.client());
    const [first, second] = await recorded({}, { id });
    expect(uuidText(second?.getId())).toBe(id);
    expect(second?.getStreamRevision()).toBe('1');
    expect(textOf(second?.getStreamIdentifier()?.getStreamName())).toBe(
      textOf(first?.getStreamIdentifier()?.getStreamName()),
    );
    const stored = await allOf(
      server.client(),
      textOf(second?.getStreamIdentifier()?.getStreamName()),
      before,
    );
    expect(stored.map(({ position }) => String(position.commit))).toEqual(
      [first, second].map((event) => event?.getCommitPosition()),
    );
    expect(second?.getPreparePosition()).toBe(second?.getCommitPosition());
  });

  test.each([
    ['of one character', 'a'],
    ['with spaces', ' a stream '],
    ['with the separators of paths and queries', 'a/b?c=d&e#f%20'],
    ['with an at sign, as links name streams', '7@a'],
    ['beyond ASCII', 'straße-日本-😀'],
    ['in upper case', 'UPPER-lower'],
    ['with quotes and a backslash', `a'b"c\\d`],
    ['of many characters', 'x'.repeat(900)],
  ])('a stream name may be any text: %s', async (_name, text) => {
    const stream = `${text}${newStream()}${text}`;
    await appendTypes(server.client(), stream, 'ab', NO_STREAM);
    expect(await typesOf(server.client(), stream)).toBe('ab');
  });

  test('stream names differ by case', async () => {
    const stream = newStream();
    await appendTypes(server.client(), `${stream}-a`, 'a', NO_STREAM);
    await appendTypes(server.client(), `${stream}-A`, 'b', NO_STREAM);
    expect(await typesOf(server.client(), `${stream}-a`)).toBe('a');
  });
});
