import { randomUUID } from 'node:crypto';
import { streamName } from '../../../../domain/stream-name';
import { BulkReader } from '../../../../apps/shared/event-store/bulk-reader';
import { connectionSettings } from '../../../../apps/shared/event-store/connection-settings';
import { EventStoreUnavailable, type LogRecord } from '../../../../apps/shared/event-store/event-store';
import {
  contentStored,
  roleChanged,
  startAdapterFixture,
  tenantId,
  type AdapterFixture,
} from './adapter-fixture';

let fixture: AdapterFixture;
let reader: BulkReader;

beforeAll(async () => {
  fixture = await startAdapterFixture();
  reader = new BulkReader({ connection: connectionSettings(fixture.node.url()), keys: fixture.keys });
});
afterAll(() => fixture.stop());

it('reads streams as the adapter does: whole, in part, and none where there is none', async () => {
  const store = fixture.connect();
  const userId = randomUUID();
  const stream = streamName('user', tenantId, userId);
  await store.append(
    stream,
    'no-stream',
    [0, 1, 2].map((n) => roleChanged(userId, n)),
  );
  expect(await reader.readStream(stream)).toEqual(await store.readStream(stream));
  const part = { fromRevision: 1, maxCount: 1 };
  expect(await reader.readStream(stream, part)).toEqual(await store.readStream(stream, part));
  const missing = streamName('user', tenantId, randomUUID());
  expect(await reader.readStream(missing)).toEqual({ events: [], revision: 'no-stream' });
});

it('gives batch by batch what it gives one by one, and opens it at once with a key it has', async () => {
  const store = fixture.connect();
  const stream = streamName('message', tenantId, randomUUID());
  const { position } = await store.append(stream, 'no-stream', [contentStored(Buffer.from('Hello'))]);
  const { signal } = new AbortController();
  const part = { after: position - 1n, withContent: true, signal };
  const batched: LogRecord[] = [];
  for await (const records of reader.readBatches(part)) batched.push(...records);
  const single: LogRecord[] = [];
  for await (const record of reader.readRecords(part)) single.push(record);
  expect(batched.map(({ id }) => id)).toEqual(single.map(({ id }) => id));
  const opened = await reader.open(batched[0]!);
  expect(opened).toMatchObject({ type: 'MessageContentStored', data: { bytes: Buffer.from('Hello') } });
  expect(reader.open(batched[0]!)).toEqual(opened);
});

it('says so when nobody answers', async () => {
  const nobody = new BulkReader({
    connection: connectionSettings('esdb://127.0.0.1:1?tls=false'),
    keys: fixture.keys,
  });
  await expect(nobody.readStream('user-1')).rejects.toThrow(EventStoreUnavailable);
});
