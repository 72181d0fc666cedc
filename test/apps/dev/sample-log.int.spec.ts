import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { currentSchemaVersions, type MailfoldEvent } from '../../../domain/catalogue.events';
import type { MessageReceived, MessageSubmitted } from '../../../domain/message/message.events';
import { appendSampleLog } from '../../../apps/dev/sample-log/append-sample-log';
import { sampleLog, type SampleLogOptions } from '../../../apps/dev/sample-log/sample-log';
import type { SampleAppend } from '../../../apps/dev/sample-log/scratch-store';
import { createEventStore } from '../../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../../apps/shared/event-store/event-store';
import { tenantIds } from '../../../apps/shared/ids/tenant-ids';
import { decompress } from '../../../apps/shared/keys/compress';
import { createKeyRing, type KeyRing } from '../../../apps/shared/keys/key-ring';
import { parseMail } from '../../../apps/shared/mail/parse-mail';
import { migrate } from '../../../apps/shared/postgres/migrate';
import { createPool } from '../../../apps/shared/postgres/pool';
import { mailfold } from '../../e2e/mailfold-process';
import { startTestNode, type TestNode } from '../../support/event-store-node';

const pepper = Buffer.alloc(32, 7);
const inMemory = { seed: 11, keys: { pepper: async () => pepper } };

async function appendsOf(options: SampleLogOptions): Promise<SampleAppend[]> {
  const appends: SampleAppend[] = [];
  for await (const act of sampleLog(options).acts) appends.push(...act.appends);
  return appends;
}

const eventsOf = (appends: readonly SampleAppend[]): MailfoldEvent[] =>
  appends.flatMap(({ events }) => events.map(({ event }) => event));

describe('a sample log', () => {
  it('is the same for the same seed and peppers, and another one for another seed', async () => {
    const one = await appendsOf({ ...inMemory, events: 1_000 });
    expect(await appendsOf({ ...inMemory, events: 1_000 })).toEqual(one);
    const other = await appendsOf({ ...inMemory, seed: 12, events: 1_000 });
    expect(other.map(({ streamName }) => streamName)).not.toEqual(one.map(({ streamName }) => streamName));
  });

  it('ends with the act that reaches the number of events, and holds every type there is', async () => {
    const events = eventsOf(await appendsOf({ ...inMemory, events: 12_000, tenants: 20 }));
    expect(events.length).toBeGreaterThanOrEqual(12_000);
    expect(events.length).toBeLessThan(12_050);
    const types = new Set(events.map(({ type }) => type));
    expect([...types].sort()).toEqual(Object.keys(currentSchemaVersions).sort());
  });

  it('says of every mail what reading its content says', async () => {
    const events = eventsOf(await appendsOf({ ...inMemory, events: 2_500 }));
    let mails = 0;
    let compared = 0;
    for (const [index, event] of events.entries()) {
      if (event.type !== 'MessageReceived' && event.type !== 'MessageSubmitted') continue;
      mails += 1;
      const content = events[index - 1];
      if (content?.type !== 'MessageContentStored') throw new Error('a fact without its content');
      compared += await compareWithItsBytes(event, content.data.bytes);
    }
    expect(mails).toBeGreaterThan(200);
    expect(compared).toBe(mails);
  });
});

async function compareWithItsBytes(
  { type, data }: MessageReceived | MessageSubmitted,
  bytes: Uint8Array,
): Promise<number> {
  const raw = await decompress({ bytes, compression: data.content.compression }, data.content.rawSize);
  const result = await parseMail(raw);
  if (result.outcome !== 'parsed') throw new Error(result.detail);
  const { mail } = result;
  const { fingerprint, preview, subject, from, to, cc, attachmentCount } = data;
  expect({ fingerprint, preview, subject, from, to, cc, attachmentCount }).toEqual({
    ...{ fingerprint: mail.fingerprint, preview: mail.preview, subject: mail.subject },
    ...{ from: mail.from, to: mail.to, cc: mail.cc, attachmentCount: mail.attachments.length },
  });
  if (type === 'MessageReceived') {
    const { messageType, autoSubmitted, sentAt } = mail;
    expect(data).toMatchObject({ messageType, autoSubmitted, sentAt });
  }
  return 1;
}

describe('in a real log', () => {
  let node: TestNode;
  let keysPool: Pool;
  let keys: KeyRing;
  let store: EventStore;
  let env: Record<string, string>;

  beforeAll(async () => {
    node = await startTestNode();
    const [controlUrl, keysUrl] = [
      await node.postgres.createDatabase(),
      await node.postgres.createDatabase(),
    ];
    await migrate(controlUrl, 'control');
    await migrate(keysUrl, 'keys');
    const timeouts = { statementTimeoutMs: 5_000, queryTimeoutMs: 6_000, connectionTimeoutMs: 5_000 };
    keysPool = createPool(keysUrl, { applicationName: 'test', maxConnections: 4, ...timeouts });
    const rootKey = randomBytes(32);
    keys = createKeyRing({ pool: keysPool, rootKey });
    const url = `esdb://127.0.0.1:${node.port()}?tls=false`;
    store = createEventStore({ url, keys });
    env = {
      ...{ EVENTSTORE_URL: url, CONTROL_DATABASE_URL: controlUrl, KEYS_DATABASE_URL: keysUrl },
      MAILFOLD_ROOT_KEY: rootKey.toString('base64'),
    };
  });
  afterAll(async () => {
    await store?.close();
    await keysPool?.end();
    await node?.stop();
  });

  it('is without a fault to the audit, and its ids are those of its tenants', async () => {
    const { signal } = new AbortController();
    const { acts, tenants } = sampleLog({ seed: 5, events: 2_000, keys });
    const appended = await appendSampleLog(store, acts, { signal });
    expect(await store.head()).toBe(appended.position);
    const { exitCode, records } = await mailfold(['log', 'audit'], { env });
    expect(records.filter(({ type }) => type === 'fault')).toEqual([]);
    expect({ exitCode, audit: records.at(-1) }).toMatchObject({
      exitCode: 0,
      audit: { type: 'audit', events: appended.events, faults: {}, isComplete: true },
    });
    const [tenant] = tenants;
    if (tenant === undefined) throw new Error('there is no tenant');
    const ids = tenantIds(tenant.tenantId, await keys.pepper(tenant.tenantId));
    const received = await firstMailOf(tenant.tenantId);
    expect(received.messageId).toBe(ids.messageId(received.mailboxId, received.header));
  });

  /** The first mail of the tenant that its log holds, and the id that stands in its header. */
  async function firstMailOf(
    tenantId: string,
  ): Promise<{ messageId: string; mailboxId: string; header: string }> {
    const { signal } = new AbortController();
    let bytes: Uint8Array = new Uint8Array(0);
    for await (const record of store.readRecords({ after: null, withContent: true, signal })) {
      if (record.metadata['tenantId'] !== tenantId) continue;
      const event = await store.open(record);
      if ('undecodable' in event) throw new Error(event.reason);
      if (event.type === 'MessageContentStored') bytes = event.data.bytes;
      if (event.type !== 'MessageReceived') continue;
      const { content, messageId, mailboxId } = event.data;
      const raw = await decompress({ bytes, compression: content.compression }, content.rawSize);
      const result = await parseMail(raw);
      const header = result.outcome === 'parsed' ? result.mail.messageIdHeader : null;
      return { messageId, mailboxId, header: header ?? '' };
    }
    throw new Error('the tenant has no mail');
  }
});
