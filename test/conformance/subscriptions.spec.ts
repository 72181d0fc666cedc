import {
  END,
  START,
  StreamDeletedError,
  TimeoutError,
  type AllStreamSubscription,
  type StreamMetadata,
  type StreamSubscription,
  type SubscribeToStreamOptions,
} from '@eventstore/db-client';
import { eventually } from '../support/eventually';
import { testEvent } from '../support/event-store-node';
import { follow, positionNow, type Followed } from './support/reading';
import { readAllRequest, readStreamRequest } from './support/requests';
import { exceptionOf } from './support/rpc-call';
import { appendTypes, describeOnEachServer, newStream, onlyOnOurNode, streamOf } from './support/servers';

const code = { unknown: 2, invalidArgument: 3, failedPrecondition: 9 } as const;
const tombstoneRevision = 2n ** 63n - 1n;
/** Long enough for what must not come to have come. */
const quietMs = 300;

const quiet = (): Promise<void> => new Promise((done) => setTimeout(done, quietMs));

// event-store.md §4, "Subscriptions".
describeOnEachServer('subscriptions', (server) => {
  let followed: Followed[] = [];
  afterEach(async () => {
    await Promise.all(followed.map((each) => each.stop()));
    followed = [];
  });
  const collect = (
    subscription: AllStreamSubscription | StreamSubscription,
    wants?: (stream: string) => boolean,
  ): Followed => {
    const started = follow(subscription, wants);
    followed.push(started);
    return started;
  };
  const toStream = (stream: string, options?: SubscribeToStreamOptions) =>
    collect(server.client().subscribeToStream(stream, options));
  const untilTypes = (seen: Followed, types: string) =>
    eventually(() => expect(seen.types.join('')).toBe(types));

  describe('to a stream', () => {
    test.each<[string, SubscribeToStreamOptions, string]>([
      ['START: from the first event', { fromRevision: START }, 'abcd'],
      ['a revision: strictly after it', { fromRevision: 0n }, 'bcd'],
      ['the last revision: what comes', { fromRevision: 2n }, 'd'],
    ])('%s, stored events first, then live ones', async (_name, options, expected) => {
      const stream = await streamOf(server.client(), 'abc');
      const seen = toStream(stream, options);
      await untilTypes(seen, expected.slice(0, -1));
      await eventually(() => expect(seen.caughtUps).toBeGreaterThan(0));
      await appendTypes(server.client(), stream, 'd');
      await untilTypes(seen, expected);
      expect(seen.revisions.at(-1)).toBe(3n);
      expect(seen.errors).toEqual([]);
    });

    test('END: only what comes', async () => {
      const stream = await streamOf(server.client(), 'abc');
      const seen = toStream(stream, { fromRevision: END });
      await eventually(() => expect(seen.caughtUps).toBeGreaterThan(0));
      await appendTypes(server.client(), stream, 'd');
      await untilTypes(seen, 'd');
    });

    test('a missing stream is waited for', async () => {
      const stream = newStream();
      const call = server.protocol().read(readStreamRequest(stream));
      await eventually(() => expect(call.messages[0]?.hasConfirmation()).toBe(true));
      const seen = toStream(stream);
      await appendTypes(server.client(), stream, 'ab');
      await untilTypes(seen, 'ab');
      await appendTypes(server.client(), stream, 'c');
      await untilTypes(seen, 'abc');
      await eventually(() => expect(call.messages.filter((message) => message.hasEvent())).toHaveLength(3));
    });

    test('a revision beyond the end withholds later events up to it', async () => {
      const stream = await streamOf(server.client(), 'ab');
      const call = server.protocol().read(readStreamRequest(stream, { from: 3n }));
      await eventually(() => expect(call.messages[0]?.hasConfirmation()).toBe(true));
      await appendTypes(server.client(), stream, 'cdef');
      const revisions = () =>
        call.messages.flatMap((message) => message.getEvent()?.getEvent()?.getStreamRevision() ?? []);
      await eventually(() => expect(revisions()).toEqual(['4', '5']));
    });

    test('what other streams hold is not delivered', async () => {
      const stream = await streamOf(server.client(), 'a');
      const seen = toStream(stream);
      await untilTypes(seen, 'a');
      await appendTypes(server.client(), newStream(), 'xyz');
      await appendTypes(server.client(), `${stream}-longer`, 'xyz');
      await appendTypes(server.client(), stream, 'b');
      await untilTypes(seen, 'ab');
      await quiet();
      expect(seen.types.join('')).toBe('ab');
    });

    test.each<[string, StreamMetadata, string]>([
      ['$tb', { truncateBefore: 2 }, 'cde'],
      ['$maxCount', { maxCount: 2 }, 'de'],
    ])('what %s hides is not delivered', async (_name, metadata, visible) => {
      const stream = await streamOf(server.client(), 'abcde');
      await server.client().setStreamMetadata(stream, metadata);
      const seen = toStream(stream);
      await untilTypes(seen, visible);
      await appendTypes(server.client(), stream, 'f');
      await untilTypes(seen, `${visible}f`);
    });

    test('a soft-deleted stream is waited for: of it comes what is written after the delete', async () => {
      const stream = await streamOf(server.client(), 'ab');
      await server.client().deleteStream(stream);
      const call = server.protocol().read(readStreamRequest(stream));
      await eventually(() => expect(call.messages[0]?.hasConfirmation()).toBe(true));
      await appendTypes(server.client(), stream, 'cd');
      const types = () =>
        call.messages.flatMap(
          (message) => message.getEvent()?.getEvent()?.getMetadataMap().get('type') ?? [],
        );
      await eventually(() => expect(types()).toEqual(['c', 'd']));
    });

    // From END, 23.10.8 leaves the call open instead.
    test('a tombstoned stream ends the call with stream-deleted', async () => {
      const stream = await streamOf(server.client(), 'ab');
      await server.client().tombstoneStream(stream);
      const call = server.protocol().read(readStreamRequest(stream));
      const status = await call.end();
      expect([status.code, exceptionOf(status)]).toEqual([code.failedPrecondition, 'stream-deleted']);
      expect(call.messages.some((message) => message.hasEvent())).toBe(false);
    });

    test('a tombstone is delivered as the last event, then the call ends with stream-deleted', async () => {
      const stream = await streamOf(server.client(), 'a');
      const seen = toStream(stream);
      const call = server.protocol().read(readStreamRequest(stream));
      await untilTypes(seen, 'a');
      await eventually(() => expect(seen.caughtUps).toBeGreaterThan(0));
      await eventually(() => expect(call.messages.some((message) => message.hasCaughtUp())).toBe(true));
      await server.client().tombstoneStream(stream);
      await eventually(() => expect(seen.errors).toHaveLength(1));
      expect(seen.types).toEqual(['a', '$streamDeleted']);
      expect(seen.revisions.at(-1)).toBe(tombstoneRevision);
      expect(seen.errors[0]).toBeInstanceOf(StreamDeletedError);
      const status = await call.end();
      expect([status.code, exceptionOf(status)]).toEqual([code.failedPrecondition, 'stream-deleted']);
    });
  });

  describe('to $all', () => {
    test('a position: strictly after it, stored events first, then live ones, in order', async () => {
      const stream = newStream();
      const { position } = await appendTypes(server.client(), stream, 'a');
      if (position === undefined) throw new Error('The append was answered without a position');
      await appendTypes(server.client(), stream, 'bc');
      const seen = collect(
        server.client().subscribeToAll({ fromPosition: position }),
        (name) => name === stream,
      );
      await untilTypes(seen, 'bc');
      await eventually(() => expect(seen.caughtUps).toBeGreaterThan(0));
      await appendTypes(server.client(), stream, 'de');
      await untilTypes(seen, 'bcde');
      expect(seen.positions).toEqual([...seen.positions].sort((a, b) => (a < b ? -1 : 1)));
      expect(new Set(seen.positions).size).toBe(4);
    });

    test('END: only what comes', async () => {
      const stream = await streamOf(server.client(), 'a');
      const seen = collect(server.client().subscribeToAll({ fromPosition: END }), (name) => name === stream);
      await eventually(() => expect(seen.caughtUps).toBeGreaterThan(0));
      await appendTypes(server.client(), stream, 'b');
      await untilTypes(seen, 'b');
    });

    test('events written while it catches up come once, and in order', async () => {
      const stream = newStream();
      const position = await positionNow(server.client());
      for (let round = 0; round < 20; round++) await appendTypes(server.client(), stream, 'ab'.repeat(10));
      const writing = (async () => {
        for (let round = 0; round < 50; round++) await appendTypes(server.client(), stream, 'cd');
      })();
      const seen = collect(
        server.client().subscribeToAll({ fromPosition: position }),
        (name) => name === stream,
      );
      await writing;
      await eventually(() => expect(seen.revisions.length).toBeGreaterThanOrEqual(500));
      expect(seen.revisions.map(Number)).toEqual(Array.from({ length: 500 }, (_, revision) => revision));
    });

    test('resumed at the position of an event, it goes on with the next', async () => {
      const stream = newStream();
      const start = await positionNow(server.client());
      await appendTypes(server.client(), stream, 'abcdef');
      let from = start.commit;
      let types = '';
      for (let round = 0; round < 6; round++) {
        const fromPosition = { commit: from, prepare: from };
        const seen = collect(server.client().subscribeToAll({ fromPosition }), (name) => name === stream);
        await eventually(() => expect(seen.types.length).toBeGreaterThan(0));
        await seen.stop();
        types += seen.types[0] ?? '';
        from = seen.positions[0] ?? from;
      }
      expect(types).toBe('abcdef');
    });

    onlyOnOurNode(server, 'waits until its log is as long')(
      'a position beyond the end is of another log, and ends it with an error',
      async () => {
        const call = server.protocol().read(readAllRequest({ from: 9_000_000_000_000_001n }));
        expect((await call.end()).code).toBe(code.invalidArgument);
        expect(call.messages.some((message) => message.hasEvent())).toBe(false);
      },
    );
  });

  test('the first message is a confirmation with an id; FellBehind never comes', async () => {
    const stream = await streamOf(server.client(), 'abc');
    const { commit } = await positionNow(server.client());
    const requests = [readStreamRequest(stream), readAllRequest({ from: commit })];
    const calls = requests.map((request) => server.protocol().read(request));
    await appendTypes(server.client(), stream, 'd');
    for (const call of calls) {
      await eventually(() => expect(call.messages.some((message) => message.hasEvent())).toBe(true));
      await eventually(() => expect(call.messages.some((message) => message.hasCaughtUp())).toBe(true));
      expect(call.messages[0]?.getConfirmation()?.getSubscriptionId()).not.toBe('');
      expect(call.messages.filter((message) => message.hasConfirmation())).toHaveLength(1);
      expect(call.messages.some((message) => message.hasFellBehind())).toBe(false);
    }
  });

  test('two subscriptions of one client have ids of their own', async () => {
    const stream = newStream();
    const calls = [1, 2].map(() => server.protocol().read(readStreamRequest(stream)));
    const ids = await eventually(() => {
      const found = calls.map((call) => call.messages[0]?.getConfirmation()?.getSubscriptionId());
      expect(found).not.toContain(undefined);
      return found;
    });
    expect(new Set(ids).size).toBe(2);
  });

  onlyOnOurNode(server, 'of version 23.10.8 says nothing of a missing stream')(
    'CaughtUp comes at once, also on a missing stream',
    async () => {
      const seen = toStream(newStream());
      await eventually(() => expect(seen.caughtUps).toBe(1));
    },
  );

  test('with resolve_links it delivers targets, live ones too, of $all as well', async () => {
    const target = await streamOf(server.client(), 'ab');
    const links = newStream();
    const link = (revision: number) => ({ ...testEvent('$>'), ...linkData(`${revision}@${target}`) });
    await server.client().appendToStream(links, link(0));
    const seen = toStream(links, { resolveLinkTos: true });
    await untilTypes(seen, 'a');
    await server.client().appendToStream(links, link(1));
    await untilTypes(seen, 'ab');
    const { commit } = await positionNow(server.client());
    const call = server.protocol().read(readAllRequest({ from: commit, resolveLinks: true }));
    await server.client().appendToStream(links, link(0));
    const resolved = () =>
      call.messages.flatMap((message) => (message.getEvent()?.hasLink() ? [message.getEvent()] : []));
    await eventually(() =>
      expect(resolved().map((event) => event?.getEvent()?.getMetadataMap().get('type'))).toContain('a'),
    );
  });

  test('one that does not read holds nothing back and gets everything in the end, if need be in two goes', async () => {
    const stream = newStream();
    const subscription = server.client().subscribeToStream(stream);
    subscription.pause();
    const filler = 'x'.repeat(100_000);
    for (let count = 0; count < 150; count++)
      await server.client().appendToStream(stream, testEvent(`${count} `, { filler }));
    const seen = collect(subscription);
    subscription.resume();
    const all = Array.from({ length: 150 }, (_, count) => `${count} `);
    await eventually(() => {
      if (seen.errors.length === 0) expect(seen.types).toHaveLength(150);
    }, 20_000);
    if (seen.errors.length > 0) {
      // 23.10.8 drops a live subscriber that is too slow; it then goes on from where it stood.
      expect(seen.errors[0]).toBeInstanceOf(TimeoutError);
      const rest = toStream(stream, { fromRevision: seen.revisions.at(-1) ?? START });
      await eventually(() => expect(seen.types.length + rest.types.length).toBe(150), 20_000);
      expect([...seen.types, ...rest.types]).toEqual(all);
    } else expect(seen.types).toEqual(all);
  });

  // A real server ends it with INVALID_ARGUMENT (24.2.0) or UNKNOWN (23.10.8).
  test('a position that is no record boundary ends it with an error, or is a place between events', async () => {
    const from = (await positionNow(server.client())).commit + 3n;
    await streamOf(server.client(), 'abcd');
    const call = server.protocol().read(readAllRequest({ from }));
    let endedWith: number | undefined;
    void call.end().then(
      (status) => (endedWith = status.code),
      () => undefined,
    );
    const positions = () =>
      call.messages.flatMap((message) => message.getEvent()?.getEvent()?.getCommitPosition() ?? []);
    await eventually(() => expect(endedWith ?? positions()[0]).toBeDefined());
    if (server.isOurs) expect(endedWith).toBeUndefined();
    if (endedWith === undefined) expect(BigInt(positions()[0] ?? 0)).toBeGreaterThan(from);
    else expect([code.invalidArgument, code.unknown]).toContain(endedWith);
    call.cancel();
  });
});

/** A link's data are text, not JSON. */
function linkData(text: string) {
  return { contentType: 'application/octet-stream' as const, data: Buffer.from(text) };
}
