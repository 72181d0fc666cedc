import {
  ANY,
  NO_STREAM,
  STREAM_EXISTS,
  WrongExpectedVersionError,
  type AppendExpectedRevision,
} from '@eventstore/db-client';
import { randomUUID } from 'node:crypto';
import { testEvent } from '../support/event-store-node';
import { allOf, failureOf, positionNow, typesOf } from './support/reading';
import { appendPaths, describeOnEachServer, newStream, onlyOnOurNode } from './support/servers';

// event-store.md §4, "Revision check", steps 3 and 4: what has been written is recognised by the ids of its events.
describeOnEachServer('idempotency', (server) => {
  describe.each(appendPaths(server))('over %s', (_rpc, options) => {
    const append = (stream: string, types: string, expectedRevision: AppendExpectedRevision, ids: string[]) =>
      server.client().appendToStream(
        stream,
        [...types].map((type, index) => testEvent(type, {}, ids[index])),
        { expectedRevision, ...options },
      );
    const newIds = (count: number): string[] => Array.from({ length: count }, () => randomUUID());

    test.each([
      ['an exact revision', 0n],
      ['NO_STREAM', NO_STREAM],
      ['ANY', ANY],
      ['STREAM_EXISTS', STREAM_EXISTS],
    ] as const)(
      'a repetition with %s answers as the first time and writes nothing, also after later writes',
      async (_name, expected) => {
        const stream = newStream();
        const before = expected === NO_STREAM ? '' : 'o';
        if (before !== '') await append(stream, before, NO_STREAM, newIds(1));
        const ids = newIds(2);
        const first = await append(stream, 'ab', expected, ids);
        expect(await append(stream, 'ab', expected, ids)).toEqual(first);
        await append(stream, 'yz', first.nextExpectedRevision, newIds(2));
        expect(await append(stream, 'ab', expected, ids)).toEqual(first);
        expect(await typesOf(server.client(), stream)).toBe(`${before}abyz`);
      },
    );

    test('NO_STREAM and an exact revision recognise a repetition however much was written since', async () => {
      const stream = newStream();
      const [firstIds, secondIds] = [newIds(2), newIds(1)];
      const first = await append(stream, 'ab', NO_STREAM, firstIds);
      const second = await append(stream, 'c', 1n, secondIds);
      // More than a server is likely to remember of one stream.
      const later = 'x'.repeat(250);
      for (let count = 0; count < 4; count++) await append(stream, later, ANY, newIds(later.length));
      expect(await append(stream, 'ab', NO_STREAM, firstIds)).toEqual(first);
      expect(await append(stream, 'c', 1n, secondIds)).toEqual(second);
      expect(await failureOf(append(stream, 'c', 1n, newIds(1)))).toBeInstanceOf(WrongExpectedVersionError);
      expect(await typesOf(server.client(), stream)).toBe(`abc${later.repeat(4)}`);
    });

    test.each([
      ['the beginning', 0, 2],
      ['the middle', 1, 3],
      ['the end', 2, 4],
      ['one event', 1, 2],
    ])(
      'ANY and STREAM_EXISTS recognise %s of an append and answer with the last event of that run',
      async (_name, from, to) => {
        const stream = newStream();
        const ids = newIds(4);
        const before = await positionNow(server.client());
        await append(stream, 'abcd', NO_STREAM, ids);
        const last = (await allOf(server.client(), stream, before))[to - 1];
        for (const expected of [ANY, STREAM_EXISTS] as const) {
          const repeated = await append(stream, 'abcd'.slice(from, to), expected, ids.slice(from, to));
          expect(repeated.nextExpectedRevision).toBe(BigInt(to - 1));
          expect(repeated.position?.commit).toBe(last?.position.commit);
        }
        expect(await typesOf(server.client(), stream)).toBe('abcd');
      },
    );

    test('an exact revision recognises a part of an append', async () => {
      const stream = newStream();
      const ids = newIds(4);
      await append(stream, 'abcd', NO_STREAM, ids);
      expect((await append(stream, 'bc', 0n, ids.slice(1, 3))).nextExpectedRevision).toBe(2n);
      expect(await typesOf(server.client(), stream)).toBe('abcd');
    });

    test('only ids are compared, never type or content', async () => {
      const stream = newStream();
      const ids = newIds(2);
      const first = await append(stream, 'ab', NO_STREAM, ids);
      expect(await append(stream, 'xy', NO_STREAM, ids)).toEqual(first);
      expect(await append(stream, 'xy', ANY, ids)).toEqual(first);
      expect(await typesOf(server.client(), stream)).toBe('ab');
    });

    test.each([
      ['ANY', ANY],
      ['STREAM_EXISTS', STREAM_EXISTS],
      ['an exact revision', 0n],
    ] as const)(
      'first known, a later one unknown: %s is a wrong expected version',
      async (_name, expected) => {
        const stream = newStream();
        const ids = newIds(2);
        await append(stream, 'o', NO_STREAM, newIds(1));
        await append(stream, 'ab', 0n, ids);
        const partly = append(stream, 'abc', expected, [...ids, randomUUID()]);
        expect(await failureOf(partly)).toBeInstanceOf(WrongExpectedVersionError);
        expect(await typesOf(server.client(), stream)).toBe('oab');
      },
    );

    test('first unknown: ANY writes everything, known ones again too', async () => {
      const stream = newStream();
      const ids = newIds(1);
      await append(stream, 'a', NO_STREAM, ids);
      const { nextExpectedRevision } = await append(stream, 'xa', ANY, [randomUUID(), ...ids]);
      expect(nextExpectedRevision).toBe(2n);
      expect(await typesOf(server.client(), stream)).toBe('axa');
    });

    test('first unknown: NO_STREAM and an exact revision behind are wrong expected versions', async () => {
      const stream = newStream();
      const ids = newIds(2);
      await append(stream, 'ab', NO_STREAM, ids);
      for (const expected of [NO_STREAM, 0n] as const)
        expect(
          await failureOf(append(stream, 'xb', expected, [randomUUID(), ...ids.slice(1)])),
        ).toBeInstanceOf(WrongExpectedVersionError);
    });

    test('the same id twice in one append is written twice', async () => {
      const stream = newStream();
      const [id = ''] = newIds(1);
      expect((await append(stream, 'aa', NO_STREAM, [id, id])).nextExpectedRevision).toBe(1n);
      expect(await typesOf(server.client(), stream)).toBe('aa');
    });

    test('the same id in different streams is legal', async () => {
      const ids = newIds(1);
      for (const stream of [newStream(), newStream()]) {
        expect((await append(stream, 'a', NO_STREAM, ids)).nextExpectedRevision).toBe(0n);
        expect(await typesOf(server.client(), stream)).toBe('a');
      }
    });

    test.each([
      ['a gap between them', 'bd', 3n],
      ['another order', 'acb', 1n],
      ['the last right before the first', 'cb', 1n],
      ['one of them twice', 'abb', 1n],
    ])(
      'ANY and STREAM_EXISTS recognise known ids with %s, and answer with the last one sent',
      async (_name, types, revision) => {
        const stream = newStream();
        const ids = newIds(4);
        const before = await positionNow(server.client());
        await append(stream, 'abcd', NO_STREAM, ids);
        const stored = await allOf(server.client(), stream, before);
        const again = [...types].map((type) => ids['abcd'.indexOf(type)] ?? '');
        for (const expected of [ANY, STREAM_EXISTS] as const) {
          const repeated = await append(stream, types, expected, again);
          expect(repeated.nextExpectedRevision).toBe(revision);
          expect(repeated.position?.commit).toBe(stored[Number(revision)]?.position.commit);
        }
        expect(await typesOf(server.client(), stream)).toBe('abcd');
      },
    );

    test('NO_STREAM and an exact revision do not recognise known ids in another order', async () => {
      const stream = newStream();
      const ids = newIds(3);
      await append(stream, 'abc', NO_STREAM, ids);
      for (const [types, expected] of [
        ['bac', NO_STREAM],
        ['cb', 0n],
      ] as const) {
        const again = [...types].map((type) => ids['abc'.indexOf(type)] ?? '');
        expect(await failureOf(append(stream, types, expected, again))).toBeInstanceOf(
          WrongExpectedVersionError,
        );
      }
    });

    onlyOnOurNode(server, 'throws inside and never answers')(
      'known ids of which the last was written long before the first are a wrong expected version',
      async () => {
        const stream = newStream();
        const ids = newIds(3);
        await append(stream, 'abc', NO_STREAM, ids);
        expect(await failureOf(append(stream, 'cba', ANY, ids.reverse()))).toBeInstanceOf(
          WrongExpectedVersionError,
        );
      },
    );

    test('repetitions sent while the first is under way: written once, and none is answered otherwise', async () => {
      const stream = newStream();
      const ids = newIds(3);
      const outcomes = await Promise.allSettled(
        Array.from({ length: 10 }, () => append(stream, 'abc', NO_STREAM, ids)),
      );
      for (const outcome of outcomes)
        if (outcome.status === 'fulfilled') expect(outcome.value.nextExpectedRevision).toBe(2n);
        // A real server may let the repetitions wait for a commit that is not theirs, until they time out.
        else expect(['timeout', 'deadline-exceeded']).toContain((outcome.reason as { type: string }).type);
      expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true);
      expect(await typesOf(server.client(), stream)).toBe('abc');
    });
  });
});
