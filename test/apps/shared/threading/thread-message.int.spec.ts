import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { streamName } from '../../../../domain/stream-name';
import { createEventStore } from '../../../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../../../apps/shared/event-store/event-store';
import { createKeyRing } from '../../../../apps/shared/keys/key-ring';
import { migrate } from '../../../../apps/shared/postgres/migrate';
import { createPool } from '../../../../apps/shared/postgres/pool';
import { by } from '../../../support/commands';
import { deliver, ids, mailboxId, type TestMail } from '../../../support/mail-delivery';
import { startTestPostgres, type TestPostgres } from '../../../support/postgres';
import { startProcess, type TestProcess } from '../../../support/processes';

function mail(nodeId: string, ancestorNodeIds: string[] = []): TestMail {
  return { nodeId, ancestorNodeIds, subjectNodeId: null, isReplySubject: false, sentAt: null };
}

describe('threading on a running node', () => {
  let postgres: TestPostgres;
  let pool: Pool;
  let node: TestProcess;
  let store: EventStore;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    const keysUrl = await postgres.createDatabase();
    await migrate(keysUrl, 'keys');
    const timeoutMs = 10_000;
    pool = createPool(keysUrl, {
      applicationName: 'threading-test',
      maxConnections: 4,
      statementTimeoutMs: timeoutMs,
      queryTimeoutMs: timeoutMs,
      connectionTimeoutMs: timeoutMs,
    });
    node = await startProcess('apps/event-store-node/main.js', {
      env: {
        EVENT_STORE_NODE_DATABASE_URL: await postgres.createDatabase(),
        EVENT_STORE_NODE_PORT: '0',
      },
    });
    const keys = createKeyRing({ pool, rootKey: randomBytes(32) });
    store = createEventStore({ url: `esdb://127.0.0.1:${node.port}?tls=false`, keys });
  });
  afterAll(async () => {
    await store.close();
    await node.stop();
    await pool.end();
    await postgres.stop();
  });

  async function attachedAt(rootName: string): Promise<string[]> {
    const conversationId = ids.conversationId(mailboxId, ids.messageId(mailboxId, rootName));
    const { events } = await store.readStream(streamName('conversation', by.tenantId, conversationId));
    return events.flatMap((event) => (event.type === 'MessageAttached' ? [event.data.preview] : []));
  }

  it('puts fifty replies that come at once into one conversation, each once', async () => {
    const names = Array.from({ length: 50 }, (_, i) => `reply ${i}`);
    await deliver(store, mail('root'));
    const answers = await Promise.all(names.map((name) => deliver(store, mail(name, ['root']))));
    expect(new Set(answers.map(({ conversationId }) => conversationId)).size).toBe(1);
    const texts = ['root', ...names].map((name) => `text of ${name}`);
    expect((await attachedAt('root')).toSorted()).toEqual(texts.toSorted());
  });

  it('brings two conversations together while both are written to', async () => {
    const left = Array.from({ length: 8 }, (_, i) => mail(`left ${i}`, ['left root']));
    const right = Array.from({ length: 8 }, (_, i) => mail(`right ${i}`, ['right root']));
    const link = mail('right root', ['left root']);
    await Promise.all([...left, ...right, link].map((next) => deliver(store, next)));
    expect((await attachedAt('left root')).toSorted()).toEqual(
      [...left, ...right, link].map(({ nodeId }) => `text of ${nodeId}`).toSorted(),
    );
  });
});
