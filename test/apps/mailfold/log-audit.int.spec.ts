import { jsonEvent } from '@eventstore/db-client';
import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import type { MailfoldEvent } from '../../../domain/catalogue.events';
import { streamName, type Category } from '../../../domain/stream-name';
import { LedgerComparison } from '../../../apps/mailfold/log/ledger-comparison';
import { RecordChecks, type AuditFault } from '../../../apps/mailfold/log/record-checks';
import { createEventStore } from '../../../apps/shared/event-store/esdb-event-store';
import type { EventStore, LogRecord } from '../../../apps/shared/event-store/event-store';
import { createKeyRing } from '../../../apps/shared/keys/key-ring';
import { keepLedger } from '../../../apps/shared/log-ledger/keep-ledger';
import { LogLedger } from '../../../apps/shared/log-ledger/log-ledger';
import { migrate } from '../../../apps/shared/postgres/migrate';
import { createPool } from '../../../apps/shared/postgres/pool';
import { mailfold, type MailfoldRun } from '../../e2e/mailfold-process';
import { at } from '../../support/commands';
import { eventually } from '../../support/eventually';
import { startTestNode, type TestNode } from '../../support/event-store-node';
import { received } from '../../support/message-builders';
import { idOf } from '../../support/recorded-log';
import { wholeLog } from '../../support/whole-log';

const tenantId = idOf('tenant');
const rootKey = randomBytes(32);
const bounds = {
  applicationName: 'test',
  maxConnections: 4,
  statementTimeoutMs: 5_000,
  queryTimeoutMs: 6_000,
  connectionTimeoutMs: 5_000,
};
const place = { conversationId: idOf('conversation'), mailboxId: idOf('mailbox') };

let node: TestNode;
let store: EventStore;
let controlPool: Pool;
let keysPool: Pool;
let ledger: LogLedger;
let env: Record<string, string>;

beforeAll(async () => {
  node = await startTestNode();
  const [controlUrl, keysUrl] = [await node.postgres.createDatabase(), await node.postgres.createDatabase()];
  await migrate(controlUrl, 'control');
  await migrate(keysUrl, 'keys');
  controlPool = createPool(controlUrl, bounds);
  keysPool = createPool(keysUrl, bounds);
  const url = `esdb://127.0.0.1:${node.port()}?tls=false`;
  store = createEventStore({ url, keys: createKeyRing({ pool: keysPool, rootKey }) });
  ledger = new LogLedger(controlPool, store);
  env = {
    ...{ EVENTSTORE_URL: url, CONTROL_DATABASE_URL: controlUrl, KEYS_DATABASE_URL: keysUrl },
    MAILFOLD_ROOT_KEY: rootKey.toString('base64'),
  };
  await appendSound();
});
afterAll(async () => {
  await store?.close();
  await controlPool?.end();
  await keysPool?.end();
  await node?.stop();
});

let commands = 0;
async function append(category: Category, entity: string, events: readonly MailfoldEvent[]): Promise<void> {
  const command = idOf(`command ${++commands}`);
  const metadata = {
    ...{ tenantId, schemaVersion: 1, occurredAt: at, actor: { kind: 'system' as const, id: null } },
    ...{ commandId: command, $correlationId: command, $causationId: command },
  };
  const withIds = events.map((event, index) => ({ id: idOf(`${command} ${index}`), event, metadata }));
  await store.append(streamName(category, tenantId, idOf(entity)), 'no-stream', withIds);
}

/** A mail with its content, its conversation, and a user: sealed and open fields, JSON and bytes. */
async function appendSound(): Promise<void> {
  const data = received({ messageId: idOf('m1'), mailboxId: place.mailboxId, threadNodeId: idOf('m1') });
  await append('message', 'm1', [
    { type: 'MessageContentStored', data: { chunk: 0, bytes: randomBytes(40) } },
    { type: 'MessageContentStored', data: { chunk: 1, bytes: randomBytes(30) } },
    { type: 'MessageReceived', data },
  ]);
  await append('conversation', 'conversation', [
    {
      type: 'ConversationOpened',
      data: { ...place, rootNodeId: idOf('m1'), openedAt: at, subject: 'Hello' },
    },
    { type: 'ConversationRead', data: { ...place, agentId: idOf('ana'), messageCount: 1 } },
    { type: 'ConversationMarkedUnread', data: { ...place, agentId: idOf('ana') } },
  ]);
  await append('user', 'ana', [{ type: 'UserActivated', data: { userId: idOf('ana') } }]);
}

/** Lets the live tail count what the log holds, and stops it again. */
async function countAll(): Promise<void> {
  const stop = new AbortController();
  const keeping = keepLedger({ store, pool: controlPool, owner: 'test', signal: stop.signal });
  const head = await store.head();
  await eventually(async () => expect((await ledger.head())?.position).toBe(head));
  stop.abort();
  await keeping;
}

/** A record parses its bodies when asked, so they are no fields to spread. */
function changedRecord(record: LogRecord, changes: Partial<LogRecord>): LogRecord {
  return { ...record, metadata: record.metadata, data: record.data, ...changes };
}

describe('every event is held against those before it', () => {
  let log: LogRecord[];
  const faultsOf = async (records: readonly LogRecord[], after: bigint | null = null): Promise<string[]> => {
    const checks = new RecordChecks(store, after);
    const faults: AuditFault[] = [];
    for (const record of records) faults.push(...(await checks.faultsOf(record)));
    return faults.map(({ kind, detail }) => `${kind}: ${detail}`);
  };
  const indexOf = (type: string): number => log.findIndex((record) => record.type === type);
  const without = (type: string): LogRecord[] => log.filter((_record, index) => index !== indexOf(type));
  const changed = (type: string, changes: Partial<LogRecord>): LogRecord[] =>
    log.map((record, index) => (index === indexOf(type) ? changedRecord(record, changes) : record));

  beforeAll(async () => void (log = await wholeLog(store)));

  it('finds nothing in a sound log', async () => {
    expect(await faultsOf(log)).toEqual([]);
  });

  it('finds an event that is missing from the middle or the beginning of a stream', async () => {
    expect(await faultsOf(without('ConversationRead'))).toEqual([
      'revision: revision 2 comes after revision 0',
    ]);
    expect(await faultsOf(without('ConversationOpened'))).toEqual([
      'revision: the stream begins at revision 1',
    ]);
  });

  it('lets content be missing, which retention takes, and in a part of the log what came before it', async () => {
    expect(await faultsOf(without('MessageContentStored'))).toEqual([]);
    const from = indexOf('ConversationRead');
    expect(await faultsOf(log.slice(from), log[from - 1]?.position)).toEqual([]);
  });

  it('finds events out of order, and one that is there twice', async () => {
    const opened = log[indexOf('ConversationOpened')];
    const { position = 0n, id = '' } = opened ?? {};
    expect(await faultsOf(changed('ConversationRead', { position }))).toEqual([
      `position: comes after position ${position}`,
    ]);
    expect(await faultsOf(changed('ConversationRead', { id }))).toEqual([
      'duplicate: the stream holds this event id twice',
    ]);
  });

  it('finds another tenant, and a seal that was moved', async () => {
    const [message] = log.filter(({ type }) => type === 'MessageReceived');
    const metadata = { ...message?.metadata, tenantId: idOf('other') };
    expect(await faultsOf(changed('MessageReceived', { metadata }))).toEqual([
      `tenant: its metadata names "${idOf('other')}"`,
    ]);
    expect(await faultsOf(changed('MessageReceived', { id: idOf('other') }))).toEqual([
      expect.stringMatching(/^unreadable: MessageReceived: The seal is broken/),
    ]);
  });
});

describe('the log is held against the ledger', () => {
  let log: LogRecord[];
  beforeAll(async () => {
    await countAll();
    log = await wholeLog(store);
  });

  async function compare(records: readonly LogRecord[], after: bigint | null = null) {
    const comparison = await LedgerComparison.begin(ledger, after);
    const faults: AuditFault[] = [];
    for (const record of records) faults.push(...(await comparison.faultsBefore(record)));
    faults.push(...(await comparison.faultsAtEnd()));
    const { segmentsCompared, eventsNewer, chunksTaken } = comparison;
    const details = faults.map(({ detail }) => detail.replace(/, (digest|up to).*/, ''));
    return { details, segmentsCompared, eventsNewer, chunksTaken };
  }
  const exceptFirst = (type: string): LogRecord[] => {
    const first = log.findIndex((record) => record.type === type);
    return log.filter((_record, index) => index !== first);
  };

  it('agrees with the log it was kept of', async () => {
    expect(await compare(log)).toMatchObject({ details: [], eventsNewer: 0, chunksTaken: 0 });
    expect((await compare(log)).segmentsCompared).toBeGreaterThan(0);
  });

  it('knows of an event that is gone, doubled, or another one', async () => {
    expect(await compare(exceptFirst('UserActivated'))).toMatchObject({
      details: ['UserActivated.v1: 0 events where the ledger counted 1'],
    });
    const doubled = log.flatMap((record) => (record.type === 'UserActivated' ? [record, record] : [record]));
    expect(await compare(doubled)).toMatchObject({
      details: ['UserActivated.v1: 2 events where the ledger counted 1'],
    });
    const other = log.map((record) =>
      record.type === 'UserActivated' ? changedRecord(record, { id: idOf('x') }) : record,
    );
    expect(await compare(other)).toMatchObject({
      details: ['UserActivated.v1: other event ids than the ledger counted'],
    });
  });

  it('is not troubled by chunks that retention took', async () => {
    const taken = { details: [], chunksTaken: 1 };
    expect(await compare(exceptFirst('MessageContentStored'))).toMatchObject(taken);
  });

  it('compares whole segments only where a part of the log is read', async () => {
    const [first] = log;
    expect(await compare(log.slice(1), first?.position)).toMatchObject({ details: [], eventsNewer: 0 });
  });
});

describe('on the command line', () => {
  const run = (...args: string[]): Promise<MailfoldRun> => mailfold(['log', ...args], { env });
  const rawStream = streamName('conversation', tenantId, idOf('raw'));
  const raw = (type: string, data: Record<string, unknown>, metadata: Record<string, unknown> = {}) =>
    jsonEvent({ type, data, metadata: { tenantId, schemaVersion: 1, ...metadata } });

  test('an audit of a sound log ends with 0, and says what is in it', async () => {
    const { exitCode, records, stderr } = await run('audit');
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(records).toEqual([
      expect.objectContaining({ type: 'audit', isComplete: true, events: 7, streams: 3, faults: {} }),
    ]);
    expect(records[0]?.['census']).toMatchObject({
      'MessageContentStored.v1': { events: 2 },
      'ConversationOpened.v1': { events: 1 },
    });
  });

  test('status tells how long the log is and how far the ledger has come', async () => {
    await append('user', 'bob', [{ type: 'UserActivated', data: { userId: idOf('bob') } }]);
    const { exitCode, records } = await run('status');
    expect(exitCode).toBe(0);
    const head = String(await store.head());
    expect(records).toEqual([
      expect.objectContaining({
        ...{ head, events: 8, newestAt: expect.stringMatching(/^20.*Z$/) },
        ledger: expect.objectContaining({ events: 7, lag: expect.objectContaining({ events: 1 }) }),
      }),
    ]);
    await countAll();
    const [after] = (await run('status')).records;
    expect(after).toMatchObject({
      events: 8,
      ledger: { position: head, events: 8, lag: { events: 0, lagSeconds: 0 } },
    });
    expect((after?.['rate'] as { lastHour: number }).lastHour).toBeGreaterThan(0);
  });

  test('everything this build cannot read is listed with its place, and ends with 1', async () => {
    await node
      .client()
      .appendToStream(rawStream, [
        raw('NeverHeardOf', {}),
        raw('ConversationRead', { ...place, agentId: idOf('ana'), messageCount: 1 }, { schemaVersion: 9 }),
        raw('ConversationRead', { ...place, agentId: idOf('ana') }),
        raw('ConversationMarkedUnread', { ...place, agentId: idOf('ana'), mood: 'sunny' }),
        raw('ConversationMarkedUnread', { ...place, agentId: idOf('ana') }, { tenantId: idOf('other') }),
      ]);
    const { exitCode, records } = await run('audit');
    expect(exitCode).toBe(1);
    const found = records.filter(({ type }) => type === 'fault');
    expect(found.map(({ kind, detail }) => `${String(kind)}: ${String(detail)}`)).toEqual([
      'unreadable: NeverHeardOf: unknown event type NeverHeardOf',
      'unreadable: ConversationRead: unknown version 9 of ConversationRead; this build knows 1 to 1',
      expect.stringMatching(/^unreadable: ConversationRead: messageCount of ConversationRead version 1: /),
      expect.stringMatching(/^shape: ConversationMarkedUnread version 1: .*mood/),
      `tenant: its metadata names "${idOf('other')}"`,
    ]);
    for (const fault of found)
      expect(fault).toMatchObject({ streamName: rawStream, position: expect.stringMatching(/^\d+$/) });
    expect(records.at(-1)).toMatchObject({
      faults: { unreadable: 3, shape: 1, tenant: 1 },
      ledger: { eventsNewer: 5 },
    });
    const last = String(found.at(-1)?.['position']);
    expect(await run('audit', '--after', last)).toMatchObject({ exitCode: 0, records: [{ events: 0 }] });
  });

  test('an interrupted audit shows what it saw, and goes on behind it', async () => {
    // Long enough that Ctrl-C reaches the audit well before the end.
    for (let stream = 0; stream < 20; stream++)
      await node.client().appendToStream(
        streamName('conversation', tenantId, idOf(`long ${stream}`)),
        Array.from({ length: 1_000 }, () =>
          raw('ConversationMarkedUnread', { ...place, agentId: idOf('ana') }),
        ),
      );
    await countAll();
    let interrupt: (() => void) | undefined;
    const interrupted = await mailfold(['log', 'audit'], {
      env,
      onRecord: ({ type, kind }) => void (type === 'fault' && kind === 'tenant' && interrupt?.()),
      onStart: (kill) => (interrupt = () => kill('SIGINT')),
    });
    expect(interrupted.exitCode).toBe(130);
    const seen = interrupted.records.at(-1);
    expect(seen).toMatchObject({ type: 'audit', isComplete: false, faults: { tenant: 1 } });
    const [, after = ''] = /goes on with --after (\d+)/.exec(interrupted.stderr) ?? [];
    const rest = await run('audit', '--after', after);
    expect(rest.records.at(-1)).toMatchObject({ isComplete: true, position: String(await store.head()) });
    const whole = (await run('audit')).records.at(-1) as { ledger: { segmentsCompared: number } };
    expect(whole.ledger.segmentsCompared).toBeGreaterThan(1);
  });
});
