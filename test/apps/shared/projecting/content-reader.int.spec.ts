import { createHash, randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import type { ContentRef } from '../../../../domain/message/message.events';
import { streamName } from '../../../../domain/stream-name';
import { contentTier } from '../../../../projections/content';
import { createEventStore } from '../../../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../../../apps/shared/event-store/event-store';
import { createKeyRing } from '../../../../apps/shared/keys/key-ring';
import { createMailParser, type MailParser } from '../../../../apps/shared/mail/mail-parser';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { replay } from '../../../../apps/shared/projecting/replay';
import { startTestNode, type TestNode } from '../../../support/event-store-node';
import { received } from '../../../support/message-builders';
import { queryAsSuperuser } from '../../../support/postgres';
import { idOf } from '../../../support/recorded-log';

const bounds = {
  applicationName: 'test',
  maxConnections: 4,
  statementTimeoutMs: 5_000,
  queryTimeoutMs: 6_000,
  connectionTimeoutMs: 5_000,
};
const rootKey = randomBytes(32);
const chunkBytes = 500_000;

let node: TestNode;
let keysUrl: string;
let contentUrl: string;
let keysPool: Pool;
let writer: Pool;
let store: EventStore;
let parser: MailParser;
let schemas = 0;

beforeAll(async () => {
  node = await startTestNode();
  [keysUrl, contentUrl] = [await node.postgres.createDatabase(), await node.postgres.createDatabase()];
  await migrate(keysUrl, 'keys');
  keysPool = createPool(keysUrl, bounds);
  writer = createPool(contentUrl, { ...bounds, role: 'mailfold_projector' });
  store = openStore();
  parser = createMailParser({ threads: 1, timeoutMs: 30_000 });
});
afterAll(async () => {
  await parser?.close();
  await store?.close();
  await keysPool?.end();
  await writer?.end();
  await node?.stop();
});

function openStore(): EventStore {
  const url = `esdb://127.0.0.1:${node.port()}?tls=false`;
  return createEventStore({ url, keys: createKeyRing({ pool: keysPool, rootKey }) });
}

function mailOf(body: string): Buffer {
  return Buffer.from(`From: cara@customer.example\r\nSubject: Hello\r\n\r\n${body}\r\n`);
}

function append(tenantId: string, stream: string, events: readonly MailfoldEvent[], from = 0) {
  const command = {
    commandId: idOf('c'),
    $correlationId: idOf('c'),
    $causationId: idOf('c'),
    occurredAt: '2026-03-01T10:00:00.000Z',
    actor: { kind: 'system' as const, id: null },
  };
  return store.append(
    stream,
    from === 0 ? 'no-stream' : from - 1,
    events.map((event, index) => ({
      id: idOf(`${stream} ${from + index}`),
      event,
      metadata: { tenantId, schemaVersion: 1, ...command },
    })),
  );
}

/** A mail in the log, its chunks beside its fact or in a stream of their own, as long messages have them. */
async function receive(
  tenantId: string,
  name: string,
  raw: Buffer,
  { content = {}, isLong = false }: { content?: Partial<ContentRef>; isLong?: boolean } = {},
): Promise<void> {
  const messageId = idOf(name);
  const ownStream = streamName('message', tenantId, messageId);
  const chunkStream = isLong ? streamName('content', tenantId, messageId) : ownStream;
  const chunks: MailfoldEvent[] = [];
  for (let at = 0; at < raw.length; at += chunkBytes) {
    const bytes = raw.subarray(at, at + chunkBytes);
    chunks.push({ type: 'MessageContentStored', data: { chunk: chunks.length, bytes } });
  }
  const ref: ContentRef = {
    ...{
      streamName: chunkStream,
      storageKey: `raw/${messageId}`,
      chunks: chunks.length,
      compression: 'none',
    },
    ...{ rawSize: raw.length, sha256: createHash('sha256').update(raw).digest('hex') },
    ...content,
  };
  const data = received({ messageId, mailboxId: idOf('mailbox'), threadNodeId: messageId, content: ref });
  const fact: MailfoldEvent = { type: 'MessageReceived', data };
  if (!isLong) {
    await append(tenantId, ownStream, [...chunks, fact]);
    return;
  }
  for (const [index, chunk] of chunks.entries()) {
    await append(tenantId, chunkStream, [chunk], index);
    // Others write meanwhile.
    if (index === 0) await receive(tenantId, `between the chunks of ${name}`, mailOf('Between'));
  }
  await append(tenantId, ownStream, [fact]);
}

interface Projected {
  readonly contents: ReadonlyMap<string, Buffer>;
  /** Reasons by sequence. */
  readonly parked: ReadonlyMap<string, string>;
}

/** The whole log, folded into a generation of its own by a store that has cached no key. */
async function project(tenantId: string): Promise<Projected> {
  const schema = `g${(schemas += 1)}`;
  await migrate(contentUrl, 'content', { schema });
  await queryAsSuperuser(
    contentUrl,
    `insert into ${schema}.checkpoints (lane, slot_from, slot_to) values (0, 0, 4095)`,
  );
  const fresh = openStore();
  try {
    const until = (await fresh.head()) ?? 0n;
    const signal = AbortSignal.timeout(30_000);
    const generation = { tier: contentTier, parser, pool: writer, schema };
    expect(await replay({ ...generation, store: fresh, until, signal })).toMatchObject({ isComplete: true });
  } finally {
    await fresh.close();
  }
  const contents = await queryAsSuperuser<{ id: string; raw: Buffer }>(
    contentUrl,
    `select message_id as id, content_raw as raw from ${schema}.content_objects where tenant_id = $1`,
    [tenantId],
  );
  const parked = await queryAsSuperuser<{ id: string; reason: string }>(
    contentUrl,
    `select sequence_id as id, reason from ${schema}.parked_sequences where tenant_id = $1`,
    [tenantId],
  );
  return {
    contents: new Map(contents.map(({ id, raw }) => [id, raw])),
    parked: new Map(parked.map(({ id, reason }) => [id, reason])),
  };
}

test('a mail whose bytes are not those its fact speaks of is parked, and the others go on', async () => {
  const tenantId = idOf('tenant of a wrong digest');
  await receive(tenantId, 'forged', mailOf('Forged'), { content: { sha256: '0'.repeat(64) } });
  await receive(tenantId, 'too long', mailOf('Too long'), { content: { rawSize: 3, compression: 'gzip' } });
  await receive(tenantId, 'good', mailOf('Good'));
  const { contents, parked } = await project(tenantId);
  expect(contents).toEqual(new Map([[idOf('good'), mailOf('Good')]]));
  expect(parked).toEqual(
    new Map([
      [idOf('forged'), 'the content has another digest than its fact says'],
      [idOf('too long'), 'the content does not unpack'],
    ]),
  );
});

test('a mail above 1 MiB, in chunks of a stream of their own with other mails among them, comes whole', async () => {
  const tenantId = idOf('tenant of a long mail');
  const raw = mailOf('0123456789abcdef'.repeat(100_000));
  await receive(tenantId, 'long', raw, { isLong: true });
  const { contents, parked } = await project(tenantId);
  expect(parked).toEqual(new Map());
  expect(contents.get(idOf('long'))?.equals(raw)).toBe(true);
  expect(contents.get(idOf('between the chunks of long'))).toEqual(mailOf('Between'));
});

test('without the destroyed key of its tenant a mail has no content any more, parks nothing and stops nobody', async () => {
  const [erased, other] = [idOf('erased tenant'), idOf('other tenant')];
  await receive(erased, 'to be erased', mailOf('Private'));
  await receive(erased, 'long to be erased', mailOf('x'.repeat(1_200_000)), { isLong: true });
  await receive(other, 'to be kept', mailOf('Kept'));
  expect((await project(erased)).contents.size).toBe(3);
  const destroyed = await queryAsSuperuser(
    keysUrl,
    'update data_keys set wrapped = null, destroyed_at = now() where tenant_id = $1 returning key_id',
    [erased],
  );
  expect(destroyed.length).toBeGreaterThan(0);
  const { contents, parked } = await project(erased);
  expect(parked).toEqual(new Map());
  for (const raw of contents.values()) expect(raw.includes('Private')).toBe(false);
  expect(contents.size).toBe(0);
  expect((await project(other)).contents).toEqual(new Map([[idOf('to be kept'), mailOf('Kept')]]));
});
