import { BACKWARDS, END, FORWARDS, START, type ReadAllOptions } from '@eventstore/db-client';
import { testEvent } from '../support/event-store-node';
import { allAfter, allOf, positionNow, typesOf } from './support/reading';
import { filterOptions, readAllRequest, type FilterRequest, type ReadOptions } from './support/requests';
import { appendTypes, describeOnEachServer, newStream, onlyOnOurNode, streamOf } from './support/servers';

const code = { ok: 0, unknown: 2 } as const;
/** Beyond any log, and a multiple of nothing that a server counts in. */
const beyondTheEnd = { commit: 9_000_000_000_000_001n, prepare: 9_000_000_000_000_001n };

// event-store.md §4, "Read" and "Positions". Nothing is assumed of what lies before the test's own events.
describeOnEachServer('reading $all', (server) => {
  async function read(options: ReadAllOptions) {
    const events = [];
    for await (const { event } of server.client().readAll(options))
      if (event !== undefined) events.push(event);
    return events;
  }

  test('forwards from a position is inclusive, backwards exclusive', async () => {
    const before = await positionNow(server.client());
    const stream = await streamOf(server.client(), 'abcde');
    const events = await allOf(server.client(), stream, before);
    const [first, , middle, , last] = events;
    if (first === undefined || middle === undefined || last === undefined)
      throw new Error('events are missing');
    const ofStream = (found: { streamId: string; type: string }[]) =>
      found.flatMap(({ streamId, type }) => (streamId === stream ? [type] : [])).join('');
    expect(ofStream(await read({ fromPosition: middle.position, maxCount: 500 }))).toBe('cde');
    expect((await read({ fromPosition: middle.position, maxCount: 1 }))[0]?.id).toBe(middle.id);
    const backwards = await read({ direction: BACKWARDS, fromPosition: middle.position, maxCount: 2 });
    expect(ofStream(backwards)).toBe('ba');
    const [nearest] = await read({ direction: BACKWARDS, fromPosition: first.position, maxCount: 1 });
    expect(nearest?.position.commit).toBeLessThan(first.position.commit);
  });

  test('backwards from the end begins with the last event', async () => {
    const before = await positionNow(server.client());
    const stream = await streamOf(server.client(), 'abc');
    // Other writers may have been busy meanwhile.
    const events = await read({ direction: BACKWARDS, fromPosition: END, maxCount: 100 });
    const own = events.filter((event) => event.streamId === stream);
    expect(own.map(({ type }) => type).join('')).toBe('cba');
    expect(events[0]?.position.commit).toBeGreaterThan(before.commit);
  });

  test('forwards from the end is nothing', async () => {
    expect(await read({ direction: FORWARDS, fromPosition: END, maxCount: 10 })).toEqual([]);
  });

  test('forwards past the end is nothing, and no error', async () => {
    expect(await read({ fromPosition: beyondTheEnd, maxCount: 10 })).toEqual([]);
  });

  test('backwards from the start is nothing', async () => {
    expect(await read({ direction: BACKWARDS, fromPosition: START, maxCount: 10 })).toEqual([]);
  });

  test('START and position 0 are the same place; the first event stands above it', async () => {
    const fromStart = await read({ fromPosition: START, maxCount: 5 });
    const fromZero = await read({ fromPosition: { commit: 0n, prepare: 0n }, maxCount: 5 });
    expect(fromStart.length).toBeGreaterThan(0);
    expect(fromZero).toEqual(fromStart);
    expect(fromStart[0]?.position.commit).toBeGreaterThan(0n);
  });

  test('a log has had system events from its first day: the metadata of $scavenges', async () => {
    expect(await typesOf(server.client(), '$$$scavenges')).toBe('$metadata');
  });

  test('every event has a position of its own, inside one append too; commit and prepare are one', async () => {
    const before = await positionNow(server.client());
    await Promise.all(
      Array.from({ length: 20 }, () => appendTypes(server.client(), newStream(), 'abcdefghij')),
    );
    const events = await allAfter(server.client(), before);
    expect(events.length).toBeGreaterThanOrEqual(200);
    for (const [index, { position }] of events.entries()) {
      expect(position.prepare).toBe(position.commit);
      if (index > 0) expect(position.commit).toBeGreaterThan(events[index - 1]?.position.commit ?? 0n);
    }
  });

  test('its order is that in which appends were acknowledged, and that of each stream', async () => {
    const before = await positionNow(server.client());
    const streams = [newStream(), newStream(), newStream()];
    const written: string[] = [];
    for (let round = 0; round < 10; round++)
      for (const stream of streams) {
        await appendTypes(server.client(), stream, 'ab');
        written.push(`${stream} a`, `${stream} b`);
      }
    const events = (await allAfter(server.client(), before)).filter(({ streamId }) =>
      streams.includes(streamId),
    );
    expect(events.map(({ streamId, type }) => `${streamId} ${type}`)).toEqual(written);
    for (const stream of streams)
      expect(events.flatMap((event) => (event.streamId === stream ? [Number(event.revision)] : []))).toEqual(
        Array.from({ length: 20 }, (_, revision) => revision),
      );
  });

  test('an acknowledged append is in it at the position it was acknowledged with', async () => {
    for (let round = 0; round < 20; round++) {
      const event = testEvent('Acknowledged');
      const { position } = await server.client().appendToStream(newStream(), event);
      if (position === undefined) throw new Error('The append was answered without a position');
      const [found] = await read({ fromPosition: position, maxCount: 1 });
      expect(found?.id).toBe(event.id);
    }
  });

  test('a count is kept to, both ways', async () => {
    const before = await positionNow(server.client());
    await streamOf(server.client(), 'abcdefghij');
    expect(await read({ fromPosition: before, maxCount: 7 })).toHaveLength(7);
    expect(await read({ direction: BACKWARDS, fromPosition: END, maxCount: 7 })).toHaveLength(7);
  });

  test.each<[string, (text: string) => FilterRequest]>([
    ['event types', (text) => ({ on: 'eventType', regex: `^${text}` })],
    ['stream names', (text) => ({ on: 'streamName', prefixes: [`wanted-${text}`] })],
  ])('a filter by %s leaves the rest out, and out of the count, both ways', async (_name, filterFor) => {
    const text = newStream();
    const filter = filterOptions(filterFor(text));
    const { commit } = await positionNow(server.client());
    for (let round = 0; round < 3; round++) {
      await appendTypes(server.client(), newStream(), 'x'.repeat(50));
      await server.client().appendToStream(`wanted-${text}`, testEvent(`${text}${round}`));
    }
    const typesRead = async (options: ReadOptions) => {
      const call = server.protocol().read(readAllRequest({ ...options, filter }));
      expect((await call.end()).code).toBe(code.ok);
      return call.messages.map((message) => message.getEvent()?.getEvent()?.getMetadataMap().get('type'));
    };
    expect(await typesRead({ from: commit, count: 2n })).toEqual([`${text}0`, `${text}1`]);
    const backwards = await typesRead({ from: 'end', backwards: true, count: 2n });
    expect(backwards).toEqual([`${text}2`, `${text}1`]);
  });

  test('the messages of a read are events and nothing else', async () => {
    const before = await positionNow(server.client());
    await streamOf(server.client(), 'abc');
    const call = server.protocol().read(readAllRequest({ from: before.commit, count: 3n }));
    expect((await call.end()).code).toBe(code.ok);
    expect(call.messages.map((message) => message.hasEvent())).toEqual([true, true, true]);
  });

  onlyOnOurNode(server, 'never answers')('a count of 0 is nothing', async () => {
    const call = server.protocol().read(readAllRequest({ count: 0n }));
    expect((await call.end()).code).toBe(code.ok);
    expect(call.messages).toEqual([]);
  });

  // Where positions are offsets in a file, as on a real server, it is UNKNOWN; where each is an event's, there is none.
  test('a position that is no record boundary is refused, or taken for what lies at it and after', async () => {
    const from = (await positionNow(server.client())).commit + 3n;
    await streamOf(server.client(), 'abcd');
    const call = server.protocol().read(readAllRequest({ from, count: 10n }));
    const status = await call.end();
    expect(server.isOurs ? [code.ok] : [code.ok, code.unknown]).toContain(status.code);
    expect(call.messages.length > 0).toBe(Number(status.code) === code.ok);
    for (const message of call.messages)
      expect(BigInt(message.getEvent()?.getCommitPosition() ?? 0)).toBeGreaterThanOrEqual(from);
  });
});
