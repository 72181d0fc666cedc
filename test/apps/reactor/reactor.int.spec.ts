import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import { ReceiveMessage } from '../../../domain/message/message.commands';
import { message } from '../../../domain/message/message';
import { streamName } from '../../../domain/stream-name';
import { createEventStore } from '../../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../../apps/shared/event-store/event-store';
import { handleCommand } from '../../../apps/shared/event-store/handle-command';
import { createdId } from '../../../apps/shared/ids/uuid-v5';
import { tenantIds, type TenantIds } from '../../../apps/shared/ids/tenant-ids';
import { createKeyRing, type KeyRing } from '../../../apps/shared/keys/key-ring';
import { migrate } from '../../../apps/shared/postgres/migrate';
import { createPool } from '../../../apps/shared/postgres/pool';
import { by } from '../../support/commands';
import { eventually } from '../../support/eventually';
import { factOf, mailboxId, type TestMail } from '../../support/mail-delivery';
import { queryAsSuperuser, startTestPostgres, type TestPostgres } from '../../support/postgres';
import { startProcess, type TestProcess } from '../../support/processes';

interface CheckpointRow {
  epoch: string;
  owner: string | null;
  commit_position: string | null;
}

function mail(nodeId: string, ancestorNodeIds: string[] = []): TestMail {
  return { nodeId, ancestorNodeIds, subjectNodeId: null, isReplySubject: false, sentAt: null };
}

describe('the reactor on a running node', () => {
  const rootKey = randomBytes(32);
  let postgres: TestPostgres;
  let controlUrl: string;
  let keysUrl: string;
  let pool: Pool;
  let keys: KeyRing;
  let ids: TenantIds;
  let node: TestProcess;
  let store: EventStore;

  beforeAll(async () => {
    postgres = await startTestPostgres();
    controlUrl = await postgres.createDatabase();
    keysUrl = await postgres.createDatabase();
    await migrate(controlUrl, 'control');
    await migrate(keysUrl, 'keys');
    const timeoutMs = 10_000;
    pool = createPool(keysUrl, {
      applicationName: 'reactor-test',
      maxConnections: 4,
      statementTimeoutMs: timeoutMs,
      queryTimeoutMs: timeoutMs,
      connectionTimeoutMs: timeoutMs,
    });
    keys = createKeyRing({ pool, rootKey });
    ids = tenantIds(by.tenantId, await keys.pepper(by.tenantId));
    node = await startProcess('apps/event-store-node/main.js', {
      env: {
        EVENT_STORE_NODE_DATABASE_URL: await postgres.createDatabase(),
        EVENT_STORE_NODE_PORT: '0',
      },
    });
    store = createEventStore({ url: `esdb://127.0.0.1:${node.port}?tls=false`, keys });
  });
  afterAll(async () => {
    await store.close();
    await node.stop();
    await pool.end();
    await postgres.stop();
  });

  const startReactor = (): Promise<TestProcess> =>
    startProcess('apps/reactor/main.js', {
      env: {
        EVENTSTORE_URL: `esdb://127.0.0.1:${node.port}?tls=false`,
        CONTROL_DATABASE_URL: controlUrl,
        KEYS_DATABASE_URL: keysUrl,
        MAILFOLD_ROOT_KEY: rootKey.toString('base64'),
      },
    });
  const checkpoint = async (): Promise<CheckpointRow | undefined> =>
    (
      await queryAsSuperuser<CheckpointRow>(
        controlUrl,
        "select epoch, owner, commit_position from reactor_checkpoints where reactor = 'threader'",
      )
    )[0];
  const health = async ({ port }: TestProcess): Promise<Record<string, unknown>> =>
    (await (await fetch(`http://127.0.0.1:${port}/healthz`)).json()) as Record<string, unknown>;

  /** The fact alone, as a command API leaves it that was killed before it threaded the message. */
  async function storeOnly(next: TestMail): Promise<void> {
    const data = factOf(next, ids);
    const commandId = createdId(data.messageId, 'receive');
    await handleCommand({
      store,
      decider: message,
      streamName: streamName('message', by.tenantId, data.messageId),
      command: new ReceiveMessage({ chunks: [Buffer.from('raw')], message: data }, { ...by, commandId }),
    });
  }
  async function attachedAt(rootName: string): Promise<string[]> {
    const conversationId = ids.conversationId(mailboxId, ids.messageId(mailboxId, rootName));
    const { events } = await store.readStream(streamName('conversation', by.tenantId, conversationId));
    return events.flatMap((event) => (event.type === 'MessageAttached' ? [event.data.preview] : []));
  }

  it('threads what was stored and never threaded, and goes on live', async () => {
    await storeOnly(mail('a'));
    await storeOnly(mail('b', ['a']));
    const reactor = await startReactor();
    await eventually(async () => expect(await attachedAt('a')).toEqual(['text of a', 'text of b']));
    await storeOnly(mail('c', ['a', 'b']));
    await eventually(async () =>
      expect(await attachedAt('a')).toEqual(['text of a', 'text of b', 'text of c']),
    );
    await eventually(async () =>
      expect(await health(reactor)).toMatchObject({ state: 'live', parked: 0, behind: 0 }),
    );
    expect(await reactor.stop()).toBe(0);
  });

  it('leaves the lease behind when it stops, and resumes at its checkpoint', async () => {
    const before = await checkpoint();
    expect(before).toMatchObject({ owner: null });
    expect(before?.commit_position).not.toBeNull();
    const reactor = await startReactor();
    await storeOnly(mail('d', ['a']));
    await eventually(async () => expect(await attachedAt('a')).toContain('text of d'));
    // It began behind what it had done: three facts and their conversation lie before the checkpoint.
    expect((await health(reactor)).handled).toBeLessThan(8);
    expect(await reactor.stop()).toBe(0);
    expect(Number((await checkpoint())?.epoch)).toBe(Number(before?.epoch) + 1);
  });

  it('parks what this build cannot read, with the reason, and threads what comes after it', async () => {
    // A fact whose key store entry is gone for good: the pepper of a tenant that was erased.
    const reactor = await startReactor();
    const erased = {
      ...by,
      tenantId: '00000000-0000-4000-8000-0000000000ee',
      commandId: createdId('e', 'e'),
    };
    const data = factOf(mail('x'), ids);
    const command = new ReceiveMessage({ chunks: [], message: data }, erased);
    await keys.pepper(erased.tenantId);
    await queryAsSuperuser(
      keysUrl,
      "update data_keys set wrapped = null, destroyed_at = now() where tenant_id = $1 and purpose = 'pepper'",
      [erased.tenantId],
    );
    const name = streamName('message', erased.tenantId, data.messageId);
    await handleCommand({ store, decider: message, streamName: name, command });
    await storeOnly(mail('e', ['a']));
    await eventually(async () => expect(await attachedAt('a')).toContain('text of e'));
    const parked = await queryAsSuperuser<{ stream_name: string; reason: string }>(
      controlUrl,
      'select stream_name, reason from reactor_parked',
    );
    expect(parked).toMatchObject([{ stream_name: name, reason: expect.stringContaining('destroyed') }]);
    expect(await health(reactor)).toMatchObject({ parked: 1 });
    expect(await reactor.stop()).toBe(0);
  });

  it('stops when another process has taken its lease', async () => {
    const reactor = await startReactor();
    await eventually(async () => expect(await health(reactor)).toMatchObject({ state: 'live' }));
    await queryAsSuperuser(controlUrl, "update reactor_checkpoints set epoch = epoch + 1, owner = 'other'");
    expect(await reactor.exited).toBe(1);
    expect((await checkpoint())?.owner).toBe('other');
    await queryAsSuperuser(controlUrl, 'update reactor_checkpoints set owner = null');
  });

  it('loses nothing when it is killed in the middle', async () => {
    const reactor = await startReactor();
    for (let i = 0; i < 10; i++) await storeOnly(mail(`k${i}`, ['root of k']));
    await eventually(async () => expect((await attachedAt('root of k')).length).toBeGreaterThan(0));
    reactor.kill('SIGKILL');
    await reactor.exited;
    await queryAsSuperuser(controlUrl, 'update reactor_checkpoints set lease_expires_at = now()');
    const next = await startReactor();
    const all = Array.from({ length: 10 }, (_, i) => `text of k${i}`);
    await eventually(async () => expect((await attachedAt('root of k')).toSorted()).toEqual(all));
    expect(await next.stop()).toBe(0);
  });
});
