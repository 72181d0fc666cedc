import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import type { Command, Decider } from '../../../../domain/decider';
import { streamName } from '../../../../domain/stream-name';
import { RevisionConflict, type EventStore } from '../../../../apps/shared/event-store/event-store';
import { handleCommand } from '../../../../apps/shared/event-store/handle-command';
import { eventually } from '../../../support/eventually';
import { startGrpcProxy, type GrpcProxy } from '../../../support/grpc-proxy';
import { roleChanged, startAdapterFixture, tenantId, type AdapterFixture } from './adapter-fixture';

describe('appends, when their answers are late or lost', () => {
  let fixture: AdapterFixture;
  let direct: EventStore;
  let proxy: GrpcProxy;
  let store: EventStore;
  let userId: string;
  let stream: string;

  beforeAll(async () => {
    fixture = await startAdapterFixture();
    direct = fixture.connect();
  });
  beforeEach(async () => {
    proxy = await startGrpcProxy({ target: fixture.node.port() });
    store = through(proxy);
    userId = randomUUID();
    stream = streamName('user', tenantId, userId);
  });
  afterEach(() => proxy.stop());
  afterAll(() => fixture.stop());

  const through = ({ port }: GrpcProxy): EventStore =>
    fixture.connect({ url: `esdb://127.0.0.1:${port}?tls=false`, callTimeoutMs: 600 });
  const lengthOf = async (name: string): Promise<number> => (await direct.readStream(name)).events.length;

  /** Sends one append through the proxy, so that the long-lived call for appends is open. */
  async function warmUp(): Promise<void> {
    await store.append(streamName('user', tenantId, randomUUID()), 'no-stream', [roleChanged(userId, 0)]);
  }
  const appendCalls = () => proxy.calls('/BatchAppend');

  it('are answered by their repetition, and written once', async () => {
    await warmUp();
    appendCalls()[0]?.holdAnswers();
    expect(await store.append(stream, 'no-stream', [roleChanged(userId, 0)])).toMatchObject({ revision: 0 });
    expect(await lengthOf(stream)).toBe(1);
    expect(appendCalls()).toHaveLength(2);
  });

  it('are answered with their own revision when others have written since', async () => {
    await warmUp();
    appendCalls()[0]?.holdAnswers();
    const appending = store.append(stream, 'no-stream', [roleChanged(userId, 0)]);
    await eventually(async () => expect(await lengthOf(stream)).toBe(1));
    await direct.append(stream, 0, [roleChanged(userId, 1)]);
    expect(await appending).toMatchObject({ revision: 0 });
    expect(await lengthOf(stream)).toBe(2);
  });

  it('conflict when they never arrived and another writer did', async () => {
    await warmUp();
    appendCalls()[0]?.holdRequest();
    const appending = store.append(stream, 'no-stream', [roleChanged(userId, 0)]);
    const winner = roleChanged(userId, 1);
    await direct.append(stream, 'no-stream', [winner]);
    await expect(appending).rejects.toThrow(RevisionConflict);
    expect((await direct.readStream(stream)).events.map(({ id }) => id)).toEqual([winner.id]);
  });

  it('of one client do not suffer from the end of another in the same process', async () => {
    const other = await startGrpcProxy({ target: fixture.node.port() });
    const otherStore = through(other);
    const streams = Array.from({ length: 60 }, () => streamName('user', tenantId, randomUUID()));
    await Promise.all([warmUp(), otherStore.append(stream, 'no-stream', [roleChanged(userId, 0)])]);
    const appending = streams.map(async (name, index) => {
      // One after the other, so that some are under way, done and to come whenever the other client is cut off.
      await delay(index * 3);
      if (index % 20 === 10) other.breakOff();
      return (index % 2 ? store : otherStore).append(name, 'no-stream', [roleChanged(userId, index)]);
    });
    expect((await Promise.all(appending)).map(({ revision }) => revision)).toEqual(streams.map(() => 0));
    expect(await Promise.all(streams.map(lengthOf))).toEqual(streams.map(() => 1));
    await other.stop();
  });

  it('end by our own time limit while the node is frozen, and are written once when it goes on', async () => {
    const events = [roleChanged(userId, 0)];
    const hasty = fixture.connect({ callTimeoutMs: 300, appendDeadlineMs: 900 });
    await hasty.readStream(stream);
    fixture.node.process().kill('SIGSTOP');
    const startedAt = Date.now();
    await expect(hasty.append(stream, 'no-stream', events)).rejects.toThrow('did not say whether');
    await expect(hasty.readStream(stream)).rejects.toThrow('cannot be read');
    expect(Date.now() - startedAt).toBeLessThan(8_000);
    fixture.node.process().kill('SIGCONT');
    expect(await store.append(stream, 'no-stream', events)).toMatchObject({ revision: 0 });
    expect(await hasty.append(stream, 'no-stream', events)).toMatchObject({ revision: 0 });
    expect(await lengthOf(stream)).toBe(1);
  });

  it('leave no connection behind when their client is replaced', async () => {
    await warmUp();
    for (let round = 1; round <= 3; round++) {
      appendCalls().at(-1)?.holdAnswers();
      await store.append(streamName('user', tenantId, randomUUID()), 'no-stream', [roleChanged(userId, 0)]);
    }
    expect(appendCalls()).toHaveLength(4);
    await eventually(() => expect(proxy.connections()).toBe(1));
    await store.close();
    await eventually(() => expect(proxy.connections()).toBe(0));
  });

  describe('of commands', () => {
    type Activate = Command<'Activate', { userId: string }>;
    type Activated = Extract<MailfoldEvent, { type: 'UserActivated' }>;
    const activation: Decider<number, Activate, Activated> = {
      initialState: 0,
      decide: ({ data }) => [{ type: 'UserActivated', data }],
      evolve: (count) => count + 1,
    };
    const command = (through: EventStore) => ({
      store: through,
      decider: activation,
      streamName: stream,
      command: {
        type: 'Activate',
        data: { userId },
        metadata: {
          ...{ tenantId, commandId: randomUUID(), now: '2026-11-21T10:00:00.000Z' },
          actor: { kind: 'system', id: null },
        },
      } as const,
    });

    it('are decided again when they never arrived and another writer did', async () => {
      await warmUp();
      appendCalls()[0]?.holdRequest();
      const handling = handleCommand(command(store));
      await direct.append(stream, 'no-stream', [roleChanged(userId, 1)]);
      expect(await handling).toMatchObject({ revision: 1, repeated: false });
      expect(await lengthOf(stream)).toBe(2);
    });

    it('are answered from the stream when no answer to any try comes through', async () => {
      const hasty = fixture.connect({
        url: `esdb://127.0.0.1:${proxy.port}?tls=false`,
        ...{ callTimeoutMs: 300, appendDeadlineMs: 500 },
      });
      proxy.onCall = (call) => call.path.endsWith('/BatchAppend') && call.holdAnswers();
      expect(await handleCommand(command(hasty))).toMatchObject({ revision: 0, repeated: false });
      expect(await lengthOf(stream)).toBe(1);
    });
  });
});
