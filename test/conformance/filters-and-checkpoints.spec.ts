import {
  eventTypeFilter,
  streamNameFilter,
  type EventStoreDBClient,
  type Filter,
  type Position,
} from '@eventstore/db-client';
import { eventually } from '../support/eventually';
import { testEvent } from '../support/event-store-node';
import { allAfter, follow, positionNow, type Followed } from './support/reading';
import { filterOptions, readAllRequest, type FilterRequest } from './support/requests';
import { describeOnEachServer, newStream, onlyOnOurNode } from './support/servers';

const code = { unknown: 2, invalidArgument: 3 } as const;
/** The embedded node delivers longer names untested, and other tests write to such streams. */
const testedNameMax = 256;

async function append(client: EventStoreDBClient, stream: string, ...types: string[]): Promise<void> {
  await client.appendToStream(
    stream,
    types.map((type) => testEvent(type)),
  );
}

// event-store.md §4, "Subscriptions": filters and checkpoints. Every name and type contains a text of the test's own.
describeOnEachServer('filters and checkpoints', (server) => {
  let followed: Followed[] = [];
  afterEach(async () => {
    await Promise.all(followed.map((each) => each.stop()));
    followed = [];
  });
  const subscribe = (
    fromPosition: Position,
    filter: Filter,
    wants?: (stream: string) => boolean,
  ): Followed => {
    const started = follow(server.client().subscribeToAll({ fromPosition, filter }), wants);
    followed.push(started);
    return started;
  };

  describe('a filter', () => {
    const cases: readonly (readonly [string, (tag: string) => Filter, string[]])[] = [
      [
        'by event type prefixes, any of them',
        (tag) => eventTypeFilter({ prefixes: [`${tag}Received`, `${tag}Parked`] }),
        ['Received', 'Parked', 'Received', 'ParkedLive'],
      ],
      [
        'by stream name prefixes',
        (tag) => streamNameFilter({ prefixes: [`message-${tag}`] }),
        ['Received', 'Stored', 'Received', 'ParkedLive'],
      ],
      [
        'by an event type expression',
        (tag) => eventTypeFilter({ regex: `^${tag}(Received|Stored)$` }),
        ['Received', 'Stored', 'Received'],
      ],
      [
        'by an expression with a look-ahead: all types but one, and no system events',
        (tag) => eventTypeFilter({ regex: `^(?!\\$|${tag}Stored$)${tag}` }),
        ['Received', 'Parked', 'Received', 'ParkedLive'],
      ],
      [
        'by an expression, which is not anchored',
        (tag) => eventTypeFilter({ regex: `${tag.slice(3)}Park` }),
        ['Parked', 'ParkedLive'],
      ],
      ['by a stream name expression', (tag) => streamNameFilter({ regex: `^other-${tag}\\.` }), ['Parked']],
    ];
    test.each(cases)('%s: stored events, then live ones', async (_name, filterFor, expected) => {
      const tag = newStream().replaceAll('-', '');
      const types = (...names: string[]) => names.map((name) => `${tag}${name}`);
      const before = await positionNow(server.client());
      await append(server.client(), `message-${tag}.1`, ...types('Received', 'Stored'));
      await append(server.client(), `other-${tag}.1`, ...types('Parked'));
      await append(server.client(), `message-${tag}.2`, ...types('Received'));
      await server.client().setStreamMetadata(`other-${tag}.1`, { maxCount: 5 });
      const seen = subscribe(before, filterFor(tag), (stream) => stream.length <= testedNameMax);
      await eventually(() => expect(seen.caughtUps).toBeGreaterThan(0));
      await append(server.client(), `message-${tag}.2`, ...types('ParkedLive'));
      await append(server.client(), `end-${tag}`, 'End');
      await eventually(() => expect(seen.types).toEqual(types(...expected)));
    });

    /** What a filter lets through of an event in a stream of the test's, and of nothing else. */
    async function matches(filter: FilterRequest, stream: string, type: string): Promise<string[]> {
      const { commit } = await positionNow(server.client());
      const request = readAllRequest({ from: commit, filter: filterOptions(filter) });
      const call = server.protocol().read(request);
      await append(server.client(), stream, type);
      // Live, so that it is the same whether the server stands still or catches up.
      await eventually(() => expect(call.messages.some((message) => message.hasCaughtUp())).toBe(true));
      await new Promise((done) => setTimeout(done, 300));
      return call.messages.flatMap((message) => {
        const event = message.getEvent()?.getEvent();
        const name = Buffer.from(event?.getStreamIdentifier()?.getStreamName() ?? '').toString();
        return event !== undefined && name === stream ? [event.getMetadataMap().get('type') ?? ''] : [];
      });
    }

    test.each<[string, FilterRequest, string[]]>([
      ['the empty prefix matches everything', { on: 'streamName', prefixes: [''] }, ['Filtered']],
      ['neither expression nor prefix matches nothing', { on: 'streamName' }, []],
      [
        'an expression wins over prefixes',
        { on: 'eventType', regex: '^Filt', prefixes: ['NoSuchType'] },
        ['Filtered'],
      ],
      ['a prefix is compared with case', { on: 'eventType', prefixes: ['filtered'] }, []],
    ])('%s', async (_name, filter, expected) => {
      expect(await matches(filter, newStream(), 'Filtered')).toEqual(expected);
    });

    test.each<[string, FilterRequest, number]>([
      ['no window', { on: 'eventType', prefixes: ['a'], windowMax: null }, code.invalidArgument],
      ['neither stream names nor event types', { prefixes: ['a'] }, code.invalidArgument],
      ['an interval of 0', { on: 'eventType', prefixes: ['a'], multiplier: 0 }, code.unknown],
      ['an expression that is none', { on: 'eventType', regex: '(' }, code.unknown],
    ])('%s is refused', async (_name, filter, expected) => {
      const { commit } = await positionNow(server.client());
      const call = server.protocol().read(readAllRequest({ from: commit, filter: filterOptions(filter) }));
      expect((await call.end()).code).toBe(expected);
    });

    onlyOnOurNode(server, 'never answers')('a window of 0 is refused', async () => {
      const filter = filterOptions({ on: 'eventType', prefixes: ['a'], windowMax: 0 });
      const call = server.protocol().read(readAllRequest({ filter }));
      expect((await call.end()).code).toBe(code.invalidArgument);
    });
  });

  describe('checkpoints', () => {
    const window = 10;
    const multiplier = 2;
    const interval = window * multiplier;

    interface Checkpointed extends Followed {
      readonly checkpoints: Position[];
    }

    /** Follows the events of `type`, of which there may be none. */
    function checkpointed(from: Position, type: string, maxSearchWindow = window): Checkpointed {
      const checkpoints: Position[] = [];
      const filter = eventTypeFilter({
        ...{ prefixes: [type], maxSearchWindow, checkpointInterval: multiplier },
        checkpointReached: (_subscription, position) => void checkpoints.push(position),
      });
      return Object.assign(subscribe(from, filter), { checkpoints });
    }

    const boring = (count: number): string[] => Array.from({ length: count }, () => 'Boring');
    const commits = (seen: Checkpointed) => seen.checkpoints.map(({ commit }) => commit);

    test('come once per interval of events considered, matched or not, while it catches up', async () => {
      const before = await positionNow(server.client());
      await append(server.client(), newStream(), ...boring(10 * interval));
      const end = await positionNow(server.client());
      const seen = checkpointed(before, newStream());
      await eventually(() => expect(seen.caughtUps).toBeGreaterThan(0));
      // On pages without a match the checkpoint is the page's start, so the last may be one interval behind.
      await eventually(() => expect(seen.checkpoints.length).toBeGreaterThanOrEqual(9));
      const met = seen.checkpoints.length;
      // Read after they were counted: others write to this log, too, and what they write is considered as well.
      const considered = (await allAfter(server.client(), before)).length;
      expect(met).toBeLessThanOrEqual(considered / interval + 2);
      const inOrder = [...commits(seen)].sort((a, b) => (a < b ? -1 : 1));
      expect(commits(seen)).toEqual(inOrder);
      expect(commits(seen)[0]).toBeGreaterThanOrEqual(before.commit);
      expect(commits(seen).at(-1)).toBeGreaterThan(before.commit);
      expect(end.commit).toBeGreaterThan(before.commit);
    });

    test('come between events that match as well', async () => {
      const [stream, type] = [newStream(), newStream()];
      const before = await positionNow(server.client());
      await append(server.client(), stream, ...Array.from({ length: 5 * interval }, () => type));
      const seen = checkpointed(before, type);
      await eventually(() => expect(seen.types).toHaveLength(5 * interval));
      expect(seen.checkpoints.length).toBeGreaterThanOrEqual(4);
      for (const { commit } of seen.checkpoints) expect(commit).toBeGreaterThanOrEqual(before.commit);
    });

    test('go on while it is live', async () => {
      const stream = newStream();
      const seen = checkpointed(await positionNow(server.client()), newStream());
      await eventually(() => expect(seen.caughtUps).toBeGreaterThan(0));
      const live = await positionNow(server.client());
      for (let count = 0; count < 3; count++) await append(server.client(), stream, ...boring(interval));
      await eventually(() => expect(commits(seen).at(-1) ?? 0n).toBeGreaterThan(live.commit));
    });

    test('nothing that matches is lost or doubled by resuming at any of them, as it came', async () => {
      const [stream, type] = [newStream(), newStream()];
      const before = await positionNow(server.client());
      for (let count = 0; count < 6; count++)
        await append(server.client(), stream, ...boring(interval), `${type}${count}`);
      const first = checkpointed(before, type);
      await eventually(() => expect(first.types).toHaveLength(6));
      await eventually(() => expect(first.checkpoints.length).toBeGreaterThanOrEqual(3));
      for (const checkpoint of first.checkpoints.slice(0, 8)) {
        const later = first.types.filter(
          (_type, index) => (first.positions[index] ?? 0n) > checkpoint.commit,
        );
        const resumed = checkpointed(checkpoint, type);
        await eventually(() => expect(resumed.caughtUps).toBeGreaterThan(0));
        await eventually(() => expect(resumed.types).toEqual(later));
        await resumed.stop();
      }
    });

    test('never run ahead of an event that is still to come', async () => {
      const [stream, type] = [newStream(), newStream()];
      const before = await positionNow(server.client());
      for (let count = 0; count < 10; count++)
        await append(server.client(), stream, ...boring(7), type, ...boring(5));
      const call = server.protocol().read(
        readAllRequest({
          from: before.commit,
          filter: filterOptions({ on: 'eventType', prefixes: [type], windowMax: 1, multiplier: 1 }),
        }),
      );
      const events = () => call.messages.filter((message) => message.hasEvent());
      await eventually(() => expect(events()).toHaveLength(10));
      let last = 0n;
      for (const message of call.messages) {
        const event = message.getEvent();
        if (event !== undefined) expect(BigInt(event.getCommitPosition())).toBeGreaterThan(last);
        last = BigInt(message.getCheckpoint()?.getCommitPosition() ?? last);
      }
      expect(last).toBeGreaterThan(before.commit);
    });

    test('the client takes no event before it is done with the checkpoint', async () => {
      const [stream, type] = [newStream(), newStream()];
      const before = await positionNow(server.client());
      await append(server.client(), stream, ...boring(3 * interval), type);
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      let reached = 0;
      const filter = eventTypeFilter({
        ...{ prefixes: [type], maxSearchWindow: window, checkpointInterval: 1 },
        checkpointReached: async () => {
          reached += 1;
          await held;
        },
      });
      const seen = subscribe(before, filter);
      await eventually(() => expect(reached).toBe(1));
      await new Promise((done) => setTimeout(done, 200));
      expect([reached, seen.types.length]).toEqual([1, 0]);
      release();
      await eventually(() => expect(seen.types).toEqual([type]));
    });

    onlyOnOurNode(server, 'of version 23.10.8 sends none there')(
      'one more comes when catch-up ends',
      async () => {
        const before = await positionNow(server.client());
        await append(server.client(), newStream(), ...boring(3));
        const end = await positionNow(server.client());
        const seen = checkpointed(before, newStream(), 1_000);
        await eventually(() => expect(seen.caughtUps).toBeGreaterThan(0));
        expect(commits(seen).at(-1)).toBeGreaterThanOrEqual(end.commit);
      },
    );
  });
});
