import { randomBytes, randomUUID } from 'node:crypto';
import { binaryEvent, jsonEvent } from '@eventstore/db-client';
import { streamName, streamPrefixes } from '../../../../domain/stream-name';
import type {
  EventStore,
  LogRecord,
  LogRecordMessage,
  RecordReadOptions,
} from '../../../../apps/shared/event-store/event-store';
import { asLogRecord, isServersOwn } from '../../../../apps/shared/event-store/log-record';
import { eventually } from '../../../support/eventually';
import {
  contentStored,
  roleChanged,
  startAdapterFixture,
  tenantId,
  type AdapterFixture,
} from './adapter-fixture';

describe('records of the log', () => {
  let fixture: AdapterFixture;
  let store: EventStore;

  beforeAll(async () => {
    fixture = await startAdapterFixture();
    store = fixture.connect();
  });
  afterAll(() => fixture.stop());

  const userStream = (userId: string): string => streamName('user', tenantId, userId);

  async function read(options: Partial<RecordReadOptions> = {}): Promise<LogRecord[]> {
    const records: LogRecord[] = [];
    const signal = new AbortController().signal;
    for await (const record of store.readRecords({ after: null, withContent: true, signal, ...options }))
      records.push(record);
    return records;
  }

  it('come as they are stored, and open to what a subscriber gets', async () => {
    const userId = randomUUID();
    const sent = roleChanged(userId, 0);
    const before = Date.now();
    const { position } = await store.append(userStream(userId), 'no-stream', [sent]);
    const [record] = await read({ after: position - 1n });
    expect(record).toMatchObject({
      ...{ id: sent.id, streamName: userStream(userId), type: 'UserRoleChanged', revision: 0, position },
      ...{ metadata: { tenantId, schemaVersion: 1 }, data: sent.event.data },
    });
    expect(record?.byteCount).toBe(
      Buffer.byteLength(JSON.stringify(record?.data) + JSON.stringify(record?.metadata)),
    );
    expect(Math.abs((record?.createdAtMs ?? 0) - before)).toBeLessThan(60_000);
    expect(record && (await store.open(record))).toEqual(
      (await store.readStream(userStream(userId))).events[0],
    );
  });

  it('come of the streams asked for alone, with or without their content', async () => {
    const [userId, other, messageId] = [randomUUID(), randomUUID(), randomUUID()];
    await store.append(userStream(other), 'no-stream', [roleChanged(other, 0)]);
    const stored = contentStored(Buffer.from('Hello'));
    const sent = roleChanged(userId, 0);
    const message = streamName('message', tenantId, messageId);
    const { position: first } = await store.append(message, 'no-stream', [stored]);
    await store.append(userStream(userId), 'no-stream', [sent]);
    await store.append(userStream(other), 0, [roleChanged(other, 1)]);
    const prefixes = [...streamPrefixes(tenantId, userId), ...streamPrefixes(tenantId, messageId)];
    const ids = async (options: Partial<RecordReadOptions>): Promise<string[]> =>
      (await read({ streamPrefixes: prefixes, ...options })).map(({ id }) => id);
    const expectThem = async (): Promise<void> => {
      expect(await ids({})).toEqual([stored.id, sent.id]);
      expect(await ids({ withContent: false })).toEqual([sent.id]);
      expect(await ids({ upTo: first })).toEqual([stored.id]);
      expect(await ids({ after: first })).toEqual([sent.id]);
      expect(await read({ streamPrefixes: streamPrefixes(randomUUID()) })).toEqual([]);
    };
    await expectThem();
    // What the node holds no longer in memory, it looks up by the names.
    await fixture.killAndRestart();
    await expectThem();
  });

  it('of one stream come whatever they hold', async () => {
    const userId = randomUUID();
    const sent = roleChanged(userId, 0);
    await store.append(userStream(userId), 'no-stream', [sent]);
    const client = fixture.node.client();
    await client.appendToStream(userStream(userId), jsonEvent({ type: 'NeverHeardOf', data: {} }));
    const records = await store.readStreamRecords(userStream(userId));
    expect(records.map(({ type, revision }) => [type, revision])).toEqual([
      ['UserRoleChanged', 0],
      ['NeverHeardOf', 1],
    ]);
    expect(await store.readStreamRecords(userStream(randomUUID()))).toEqual([]);
  });

  it('hold content sealed, until opened', async () => {
    const bytes = Buffer.from('From: ada@example.com\r\n\r\nHello');
    const stream = streamName('message', tenantId, randomUUID());
    const { position } = await store.append(stream, 'no-stream', [contentStored(bytes)]);
    const [record] = await read({ after: position - 1n });
    expect(record?.data).toBeInstanceOf(Uint8Array);
    expect(Buffer.from(record?.data as Uint8Array).includes('Hello')).toBe(false);
    expect(record && (await store.open(record))).toMatchObject({ data: { bytes } });
    expect(await read({ after: position - 1n, withContent: false })).toEqual([]);
  });

  it('include what no build can open, with the reason, but nothing of the server itself', async () => {
    const client = fixture.node.client();
    const start = await store.head();
    const stream = `other-${randomUUID()}`;
    await client.appendToStream(stream, [
      jsonEvent({ type: 'Unheard', data: { a: 1 }, metadata: { schemaVersion: 1 } }),
      binaryEvent({ type: 'Unheard', data: new Uint8Array(0) }),
    ]);
    await client.setStreamMetadata(stream, { maxCount: 7 });
    const records = await read({ after: start });
    expect(records.map(({ streamName, revision }) => [streamName, revision])).toEqual([
      [stream, 0],
      [stream, 1],
    ]);
    expect(records[1]).toMatchObject({ metadata: {}, byteCount: 0, data: new Uint8Array(0) });
    for (const record of records) expect(await store.open(record)).toMatchObject({ undecodable: true });
  });

  it('end at the wanted position, or where the log ended when the read began', async () => {
    const userId = randomUUID();
    const changes = [0, 1, 2, 3].map((index) => roleChanged(userId, index));
    const { position } = await store.append(userStream(userId), 'no-stream', changes);
    const all = await read();
    expect(all.at(-1)?.position).toBe(position);
    const [from, to] = [all.at(-4)?.position ?? 0n, all.at(-2)?.position ?? 0n];
    expect((await read({ after: from, upTo: to })).map(({ revision }) => revision)).toEqual([1, 2]);
    expect(await read({ after: to, upTo: to })).toEqual([]);
    expect(await read({ after: position, upTo: position + 1_000n })).toEqual([]);
  });

  it('are what the official client reads, to the byte', async () => {
    const stream = `shapes-${randomUUID()}`;
    const client = fixture.node.client();
    const metadata = { schemaVersion: 1, note: 'ü𝒳"\\\u0000' };
    await client.appendToStream(stream, [
      jsonEvent({ type: 'Json', data: { text: 'ü𝒳"\\', list: [1, null], nested: { a: 1.5 } }, metadata }),
      jsonEvent({ type: 'JsonWithoutObject', data: [1, 'text'] as never }),
      binaryEvent({ type: 'Binary', data: randomBytes(300_000), metadata: randomBytes(20) }),
      binaryEvent({ type: 'Empty', data: new Uint8Array(0), metadata }),
      binaryEvent({ type: 'BinaryJson', data: Buffer.from('{"a":1}') }),
    ]);
    for (const size of [0, 127, 128, 16_383, 16_384, 1_000_000])
      await client.appendToStream(stream, binaryEvent({ type: 'Sized', data: randomBytes(size) }));
    const official: LogRecord[] = [];
    for await (const resolved of client.readAll()) {
      const record = asLogRecord(resolved);
      if (record && !isServersOwn(record)) official.push(record);
    }
    expect((await read()).map(wholeOf)).toEqual(official.map(wholeOf));
  });

  it('come live to a subscriber, content included', async () => {
    const abort = new AbortController();
    const messages: LogRecordMessage[] = [];
    const seen = (): string[] =>
      messages.flatMap((message) => (message.kind === 'record' ? [message.record.id] : []));
    const reading = (async () => {
      for await (const message of store.subscribeRecords({ after: null, signal: abort.signal }))
        messages.push(message);
    })();
    await eventually(() => expect(messages.map(({ kind }) => kind)).toContain('caught-up'));
    const chunk = contentStored(Buffer.from('x'));
    await store.append(streamName('message', tenantId, randomUUID()), 'no-stream', [chunk]);
    await eventually(() => expect(seen()).toContain(chunk.id));
    abort.abort();
    await reading;
    expect(seen()).toEqual((await read()).map(({ id }) => id));
  });
});

/** As plain values; bytes as text, since one reader has them as a Buffer. */
function wholeOf(record: LogRecord): Record<string, unknown> {
  const { id, streamName: name, type, revision, position, createdAtMs, metadata, data } = record;
  const content = data instanceof Uint8Array ? Buffer.from(data).toString('hex') : data;
  return { id, name, type, revision, position, createdAtMs, metadata, content };
}
