import { randomUUID } from 'node:crypto';
import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import type { Decider, Command } from '../../../../domain/decider';
import { streamName } from '../../../../domain/stream-name';
import {
  LogMismatch,
  OutcomeUnknown,
  RevisionConflict,
  type EventStore,
} from '../../../../apps/shared/event-store/event-store';
import { handleCommand, IdempotencyMismatch } from '../../../../apps/shared/event-store/handle-command';
import { eventually } from '../../../support/eventually';
import {
  collect,
  contentStored,
  roleChanged as role,
  startAdapterFixture,
  tenantId,
  type AdapterFixture,
  type Seen,
} from './adapter-fixture';

describe('the event store adapter on a running node', () => {
  let fixture: AdapterFixture;
  let store: EventStore;

  beforeAll(async () => {
    fixture = await startAdapterFixture();
    store = fixture.connect();
  });
  afterAll(() => fixture.stop());

  it('appends at an exact revision and reads back in order', async () => {
    const userId = randomUUID();
    const stream = streamName('user', tenantId, userId);
    const first = await store.append(stream, 'no-stream', [role(userId, 0), role(userId, 1)]);
    const second = await store.append(stream, 1, [role(userId, 2)]);
    expect([first.revision, second.revision]).toEqual([1, 2]);
    expect(second.position).toBeGreaterThan(first.position);
    const { events, revision } = await store.readStream(stream);
    expect(revision).toBe(2);
    expect(events.map((event) => event.revision)).toEqual([0, 1, 2]);
    expect(events[2]?.position).toBe(second.position);
  });

  it('reads the last events of a stream alone', async () => {
    const userId = randomUUID();
    const stream = streamName('user', tenantId, userId);
    expect(await store.readStream(stream, { last: 2 })).toEqual({ events: [], revision: 'no-stream' });
    await store.append(stream, 'no-stream', [role(userId, 0), role(userId, 1), role(userId, 2)]);
    const { events, revision } = await store.readStream(stream, { last: 2 });
    expect([revision, ...events.map((event) => event.revision)]).toEqual([2, 1, 2]);
  });

  it('reads a missing stream as empty', async () => {
    expect(await store.readStream(streamName('user', tenantId, randomUUID()))).toEqual({
      events: [],
      revision: 'no-stream',
    });
  });

  it('names where the stream is when the expected revision does not hold', async () => {
    const userId = randomUUID();
    const stream = streamName('user', tenantId, userId);
    await store.append(stream, 'no-stream', [role(userId, 0)]);
    await expect(store.append(stream, 'no-stream', [role(userId, 1)])).rejects.toMatchObject({
      name: 'RevisionConflict',
      expected: 'no-stream',
      actual: 0,
    });
    await expect(
      store.append(streamName('user', tenantId, randomUUID()), 4, [role(userId, 1)]),
    ).rejects.toMatchObject({
      actual: 'no-stream',
    });
  });

  it('writes a repeated append once', async () => {
    const userId = randomUUID();
    const stream = streamName('user', tenantId, userId);
    const events = [role(userId, 0)];
    const first = await store.append(stream, 'no-stream', events);
    expect(await store.append(stream, 'no-stream', events)).toEqual(first);
    expect((await store.readStream(stream)).events).toHaveLength(1);
  });

  it('subscribes from a checkpoint, catches up, goes live and survives a restart of the node', async () => {
    const userId = randomUUID();
    const stream = streamName('user', tenantId, userId);
    const start = await store.append(stream, 'no-stream', [role(userId, 0)]);
    const startId = (await store.readStream(stream)).events[0]?.id ?? '';
    await store.append(stream, 0, [role(userId, 1)]);
    const seen = collect(store, { after: { position: start.position, eventId: startId } });
    await eventually(() => expect(seen.kinds()).toEqual(expect.arrayContaining(['event', 'caught-up'])));
    await store.append(stream, 1, [role(userId, 2)]);
    await eventually(() => expect(seen.revisionsOf(stream)).toEqual([1, 2]));
    await fixture.killAndRestart();
    await store.append(stream, 2, [role(userId, 3)]);
    await eventually(() => expect(seen.revisionsOf(stream)).toEqual([1, 2, 3]), 15_000);
    await seen.stop();
  });

  it('keeps every subscription of the process going when the node is killed again and again', async () => {
    const userId = randomUUID();
    const stream = streamName('user', tenantId, userId);
    await store.append(stream, 'no-stream', [role(userId, 0)]);
    const all = [collect(store), collect(store, { withContent: true }), collect(store)];
    for (let revision = 0; revision < 3; revision++) {
      for (const seen of all) {
        await eventually(() => expect(seen.revisionsOf(stream)).toContain(revision), 15_000);
      }
      await fixture.killAndRestart();
      await store.append(stream, revision, [role(userId, revision + 1)]);
    }
    for (const seen of all) {
      await eventually(() => expect(seen.revisionsOf(stream)).toEqual([0, 1, 2, 3]), 15_000);
    }
    await Promise.all(all.map((seen) => seen.stop()));
  });

  it('never takes a read that was cut off for a shorter stream', async () => {
    const userId = randomUUID();
    const stream = streamName('user', tenantId, userId);
    await store.append(stream, 'no-stream', [role(userId, 0), role(userId, 1), role(userId, 2)]);
    // A subscription that loses its connection throws the client away, and with it whatever else is under way on it.
    const seen = Array.from({ length: 4 }, () => collect(store));
    let reading = true;
    const lengths = new Set<number>();
    const readers = Array.from({ length: 16 }, async () => {
      while (reading) {
        const read = await store.readStream(stream).catch(() => null);
        if (read) lengths.add(read.events.length);
      }
    });
    for (let round = 0; round < 4; round++) {
      await fixture.killAndRestart();
      await eventually(async () => expect((await store.readStream(stream)).events).toHaveLength(3), 15_000);
    }
    reading = false;
    await Promise.all([...readers, ...seen.map((each) => each.stop())]);
    expect([...lengths]).toEqual([3]);
  });

  it('leaves content out on the server unless it is asked for', async () => {
    const messageId = randomUUID();
    const stream = streamName('message', tenantId, messageId);
    const head = await store.head();
    await store.append(stream, 'no-stream', [contentStored(Buffer.from('x'))]);
    const userId = randomUUID();
    const after = await store.append(streamName('user', tenantId, userId), 'no-stream', [role(userId, 0)]);
    const without = collect(store);
    const withContent = collect(store, { withContent: true });
    const reached = (seen: Seen) => () => expect(seen.positions()).toContain(after.position);
    await eventually(reached(without));
    await eventually(reached(withContent));
    expect(without.revisionsOf(stream)).toEqual([]);
    expect(withContent.revisionsOf(stream)).toEqual([0]);
    expect(head).not.toBeNull();
    expect(await store.head()).toBe(after.position);
    await Promise.all([without.stop(), withContent.stop()]);
  });

  it('refuses a checkpoint that another log made', async () => {
    const userId = randomUUID();
    const { position } = await store.append(streamName('user', tenantId, userId), 'no-stream', [
      role(userId, 0),
    ]);
    const abort = new AbortController();
    const subscription = store.subscribe({
      after: { position, eventId: randomUUID() },
      withContent: false,
      signal: abort.signal,
    });
    await expect(subscription[Symbol.asyncIterator]().next()).rejects.toThrow(LogMismatch);
    const beyond = store.subscribe({
      after: { position: position + 1_000_000n, eventId: randomUUID() },
      withContent: false,
      signal: abort.signal,
    });
    await expect(beyond[Symbol.asyncIterator]().next()).rejects.toThrow(LogMismatch);
    abort.abort();
  });

  it('says that an outcome is unknown when the node stays away, and repeats safely when it is back', async () => {
    const userId = randomUUID();
    const stream = streamName('user', tenantId, userId);
    const hasty = fixture.connect({ callTimeoutMs: 300, appendDeadlineMs: 900 });
    const events = [role(userId, 0)];
    fixture.node.process().kill('SIGKILL');
    await expect(hasty.append(stream, 'no-stream', events)).rejects.toThrow(OutcomeUnknown);
    await fixture.node.restart();
    expect(await hasty.append(stream, 'no-stream', events)).toMatchObject({ revision: 0 });
  });

  describe('command handling', () => {
    type Count = Command<'Count', { userId: string }>;
    type Counted = Extract<MailfoldEvent, { type: 'UserActivated' }>;
    const counter: Decider<number, Count, Counted> = {
      initialState: 0,
      decide: ({ data }) => [{ type: 'UserActivated', data }],
      evolve: (count) => count + 1,
    };
    const request = (userId: string, commandId: string, requestHash?: string) => ({
      store,
      decider: counter,
      streamName: streamName('user', tenantId, userId),
      command: {
        type: 'Count',
        data: { userId },
        metadata: { tenantId, commandId, actor, now: '2026-11-21T10:00:00.000Z' },
      } as const,
      requestHash,
    });

    it('decides again when another writer won, so that no command is lost', async () => {
      const userId = randomUUID();
      await Promise.all(Array.from({ length: 5 }, () => handleCommand(request(userId, randomUUID()))));
      const { events } = await store.readStream(streamName('user', tenantId, userId));
      expect(events.map((event) => event.revision)).toEqual([0, 1, 2, 3, 4]);
    });

    it('has one effect for one command id, however often and however concurrently it comes', async () => {
      const userId = randomUUID();
      const commandId = randomUUID();
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, () => handleCommand(request(userId, commandId, 'hash'))),
      );
      expect(new Set(outcomes.map(({ position }) => position)).size).toBe(1);
      expect((await store.readStream(streamName('user', tenantId, userId))).events).toHaveLength(1);
    });

    it('refuses the same command id with another request', async () => {
      const userId = randomUUID();
      const commandId = randomUUID();
      await handleCommand(request(userId, commandId, 'one'));
      await expect(handleCommand(request(userId, commandId, 'two'))).rejects.toThrow(IdempotencyMismatch);
    });

    it('does not repeat what the client wanted decided at one revision', async () => {
      const userId = randomUUID();
      await handleCommand(request(userId, randomUUID()));
      const stale = { ...request(userId, randomUUID()), expectedRevision: 7 };
      await expect(handleCommand(stale)).rejects.toThrow(RevisionConflict);
    });
  });
});

const actor = { kind: 'system', id: null } as const;
