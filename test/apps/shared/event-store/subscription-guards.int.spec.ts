import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { jsonEvent } from '@eventstore/db-client';
import { streamName } from '../../../../domain/stream-name';
import type { EventStore, LogReadOptions } from '../../../../apps/shared/event-store/event-store';
import { eventually } from '../../../support/eventually';
import { startGrpcProxy, type GrpcProxy, type ProxiedCall } from '../../../support/grpc-proxy';
import {
  collect,
  roleChanged,
  startAdapterFixture,
  tenantId,
  type AdapterFixture,
  type Seen,
} from './adapter-fixture';

const grpcAborted = 10;

describe('subscriptions and long reads', () => {
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
    store = fixture.connect({ url: `esdb://127.0.0.1:${proxy.port}?tls=false` });
    userId = randomUUID();
    stream = streamName('user', tenantId, userId);
    await direct.append(stream, 'no-stream', [roleChanged(userId, 0)]);
  });
  afterEach(async () => {
    await Promise.all(followers.splice(0).map((seen) => seen.stop()));
    await proxy.stop();
  });
  afterAll(() => fixture.stop());

  /** The calls that carry subscriptions, which are those that are still open; others have ended with their answer. */
  const lastCall = (): ProxiedCall | undefined => proxy.calls('Streams/Read').at(-1);
  const followers: Seen[] = [];
  /** Subscribes until the end of the test. */
  function follow(through: EventStore, options: Partial<LogReadOptions> = {}): Seen {
    const seen = collect(through, options);
    followers.push(seen);
    return seen;
  }
  const reached = (revisions: number[], seen: Seen) => () =>
    expect(seen.revisionsOf(stream)).toEqual(revisions);

  /** Records of 1 KB in streams that are not ours, many in little time. */
  async function fill(count: number): Promise<void> {
    const size = 100;
    const data = { text: 'x'.repeat(1_000) };
    for (let at = 0; at < count; at += 10 * size) {
      const appends = Array.from({ length: 10 }, () =>
        fixture.node.client().appendToStream(
          `fill-${randomUUID()}`,
          Array.from({ length: size }, () => jsonEvent({ type: 'Filled', data })),
        ),
      );
      await Promise.all(appends);
    }
  }

  it('notice within ten seconds that nothing comes although the socket is open, and go on elsewhere', async () => {
    const seen = follow(store);
    await eventually(reached([0], seen));
    await eventually(() => expect(seen.kinds()).toContain('caught-up'));
    lastCall()?.holdAnswers();
    const appendedAt = Date.now();
    await direct.append(stream, 0, [roleChanged(userId, 1)]);
    await eventually(reached([0, 1], seen), 11_000);
    expect(Date.now() - appendedAt).toBeLessThan(10_000);
  });

  it('do not take a quiet log for a broken subscription', async () => {
    const seen = follow(store);
    await eventually(() => expect(seen.kinds()).toContain('caught-up'));
    const connections = proxy.connections();
    // Records that the filter leaves out are no reason for suspicion.
    await fixture.node
      .client()
      .appendToStream(`quiet-${randomUUID()}`, jsonEvent({ type: '$own', data: {} }));
    // Nothing must happen: more than two looks at a silent subscription, which come every 2.5 s.
    await delay(7_000);
    expect(proxy.connections()).toBe(connections);
    expect(seen.kinds().filter((kind) => kind === 'caught-up')).toHaveLength(1);
  });

  it('resume when the server drops them as too slow, without a gap, a double or harm to other calls', async () => {
    await store.append(streamName('user', tenantId, randomUUID()), 'no-stream', [roleChanged(userId, 0)]);
    const seen = follow(store);
    for (let revision = 0; revision < 4; revision++) {
      await eventually(() => expect(seen.revisionsOf(stream)).toHaveLength(revision + 1));
      await eventually(() => expect(seen.kinds().lastIndexOf('caught-up')).toBeGreaterThan(-1));
      lastCall()?.fail(grpcAborted, 'Consumer too slow to handle event while live.');
      await direct.append(stream, revision, [roleChanged(userId, revision + 1)]);
    }
    await eventually(reached([0, 1, 2, 3, 4], seen));
    await store.append(streamName('user', tenantId, randomUUID()), 'no-stream', [roleChanged(userId, 0)]);
    expect(proxy.calls('/BatchAppend')).toHaveLength(1);
  });

  it('come back ever more slowly to a server that takes them and drops them again', async () => {
    proxy.onCall = (call) => {
      const drop = (): void => call.fail(grpcAborted, 'Consumer too slow to handle event while live.');
      // Time for it to be confirmed, and for the read before it to end. No record comes, the log being quiet.
      if (call.path.endsWith('Streams/Read')) setTimeout(drop, 20);
    };
    const after = await endOfLog();
    const { events } = await direct.readStream(stream);
    const seen = follow(store, { after: { position: after ?? 0n, eventId: events.at(-1)?.id ?? '' } });
    // A rate: what is bounded is how often it comes back in this time.
    await delay(4_000);
    // Each attempt is two of them: is the checkpoint's record there, and what follows it?
    const calls = proxy.calls('Streams/Read').length;
    expect(calls).toBeGreaterThan(4);
    expect(calls).toBeLessThan(50);
    proxy.onCall = () => undefined;
    await direct.append(stream, 0, [roleChanged(userId, 1)]);
    await eventually(reached([1], seen));
  });

  it('stand in nobody’s way, however many there are: no connection carries a hundred calls', async () => {
    const patient = fixture.connect({
      url: `esdb://127.0.0.1:${proxy.port}?tls=false`,
      callTimeoutMs: 20_000,
    });
    const all = Array.from({ length: 110 }, () => follow(patient));
    const reads = Array.from({ length: 150 }, () => patient.readStream(stream));
    expect((await Promise.all(reads)).map(({ events }) => events.length)).toEqual(reads.map(() => 1));
    for (const seen of all) await eventually(reached([0], seen), 30_000);
    expect(proxy.callsPerConnectionMax()).toBeLessThan(100);
  });

  it('hold a slow consumer back at the server instead of in memory', async () => {
    const after = await endOfLog();
    await fill(20_000);
    const before = proxy.answeredBytes();
    let count = 0;
    let plateau = 0;
    for await (const record of store.readRecords({ after, withContent: true, ...endless() })) {
      count += 1;
      if (count !== 10) continue;
      expect(record.type).toBe('Filled');
      // The consumer stands still; what a server without limits would send meanwhile is the whole log.
      await delay(1_500);
      plateau = proxy.answeredBytes() - before;
    }
    expect(count).toBe(20_000);
    const total = proxy.answeredBytes() - before;
    expect(total).toBeGreaterThan(20_000_000);
    expect(plateau).toBeLessThan(total / 2);
  });

  it('give every record once, in order, while the node is killed again and again', async () => {
    const after = await endOfLog();
    await fill(10_000);
    const positions: bigint[] = [];
    for await (const { position } of direct.readRecords({ after, withContent: false, ...endless() })) {
      positions.push(position);
      if (positions.length % 3_000 === 0) await fixture.killAndRestart();
    }
    expect(positions).toHaveLength(10_000);
    expect(positions.every((position, index) => index === 0 || position > (positions[index - 1] ?? 0n))).toBe(
      true,
    );
  });

  const endless = () => ({ signal: new AbortController().signal });

  async function endOfLog(): Promise<bigint | null> {
    let last: bigint | null = null;
    for await (const { position } of direct.readRecords({ after: null, withContent: true, ...endless() }))
      last = position;
    return last;
  }
});
