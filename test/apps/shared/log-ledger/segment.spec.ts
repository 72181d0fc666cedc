import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { addCensuses, totalOf, type CountedEvent } from '../../../../apps/shared/log-ledger/census';
import {
  addDigests,
  digestFromHex,
  digestOf,
  digestToHex,
  emptyDigest,
  type IdDigest,
} from '../../../../apps/shared/log-ledger/id-digest';
import { eventsPerSegmentMax, extendLedger, type Segment } from '../../../../apps/shared/log-ledger/segment';
import { idOf } from '../../../support/recorded-log';

const start = Date.UTC(2026, 2, 1, 10, 0, 0);

/** Events in log order; times may go back, as they do when a server with another clock takes over. */
const logs = fc
  .array(
    fc.record({
      type: fc.constantFrom('MessageReceived', 'NoteAdded', 'NeverHeardOf', '__proto__'),
      schemaVersion: fc.constantFrom<unknown>(1, 2, '1', undefined),
      byteCount: fc.nat(5_000),
      stepMs: fc.integer({ min: -40_000, max: 40_000 }),
      gap: fc.integer({ min: 1, max: 900 }),
    }),
    { maxLength: 60 },
  )
  .map((seeds) => {
    let position = 0n;
    let createdAtMs = start;
    return seeds.map(({ stepMs, gap, ...seed }): CountedEvent => {
      position += BigInt(gap);
      createdAtMs += stepMs;
      return { ...seed, id: idOf(`event ${position}`), position, createdAtMs };
    });
  });

function inBatches(log: readonly CountedEvent[], cuts: readonly number[]): Segment[] {
  const bounds = [...new Set([0, ...cuts.map((cut) => cut % (log.length + 1)), log.length])].sort(
    (a, b) => a - b,
  );
  let ledger: Segment[] = [];
  bounds.slice(1).forEach((end, batch) => {
    const open = ledger.at(-1) ?? null;
    ledger = [...ledger.slice(0, -1), ...extendLedger(open, log.slice(bounds[batch], end))];
  });
  return ledger;
}

function digestOfAll(log: readonly CountedEvent[]): IdDigest {
  return log.map(({ id }) => digestOf(id)).reduce(addDigests, emptyDigest);
}

function counted(count: number, change: (index: number) => Partial<CountedEvent> = () => ({})) {
  return Array.from({ length: count }, (_, index): CountedEvent => {
    const position = BigInt(index * 10 + 5);
    const plain = { type: 'NoteAdded', schemaVersion: 1, createdAtMs: start, byteCount: 100 };
    return { ...plain, id: idOf(`event ${index}`), position, ...change(index) };
  });
}

describe('the ledger', () => {
  it('is the same however the log is cut into batches', () => {
    fc.assert(
      fc.property(logs, fc.array(fc.nat(60)), (log, cuts) => {
        expect(inBatches(log, cuts)).toEqual(extendLedger(null, log));
      }),
    );
  });

  it('counts every event once: its segments follow each other and add up to the log', () => {
    fc.assert(
      fc.property(logs, (log) => {
        const segments = extendLedger(null, log);
        const census = segments.map((segment) => segment.census).reduce(addCensuses, new Map());
        const bytes = log.reduce((sum, { byteCount }) => sum + byteCount, 0);
        expect(totalOf(census)).toEqual({ events: log.length, bytes, digest: digestOfAll(log) });
        let ordinal = 0;
        for (const segment of segments) {
          const own = log.slice(ordinal, ordinal + segment.events);
          ordinal += segment.events;
          expect(segment).toMatchObject({
            positionFrom: own[0]?.position,
            positionTo: own.at(-1)?.position,
            ordinalTo: ordinal,
            digest: digestOfAll(own),
          });
        }
        expect(ordinal).toBe(log.length);
      }),
    );
  });

  it('never lets log time go back, nor a segment reach into another minute', () => {
    fc.assert(
      fc.property(logs, (log) => {
        let time = -Infinity;
        for (const { timeFromMs, timeToMs } of extendLedger(null, log)) {
          expect(timeFromMs).toBeGreaterThanOrEqual(time);
          expect(timeToMs).toBeGreaterThanOrEqual(timeFromMs);
          expect(Math.floor(timeToMs / 60_000)).toBe(Math.floor(timeFromMs / 60_000));
          time = timeToMs;
        }
      }),
    );
  });

  it('closes a segment when it is full', () => {
    const segments = extendLedger(null, counted(eventsPerSegmentMax + 1));
    expect(segments.map(({ events, ordinalTo }) => [events, ordinalTo])).toEqual([
      [eventsPerSegmentMax, eventsPerSegmentMax],
      [1, eventsPerSegmentMax + 1],
    ]);
  });

  it('lists types and versions nobody knows under their own names', () => {
    const odd = [{ type: 'NeverHeardOf', schemaVersion: 7 }, { schemaVersion: '1' }, {}];
    const [segment] = extendLedger(
      null,
      counted(3, (index) => ({ ...odd[index] })),
    );
    expect([...(segment?.census ?? [])].map(([name, { events }]) => [name, events])).toEqual([
      ['NeverHeardOf.v7', 1],
      ['NoteAdded.v?', 1],
      ['NoteAdded.v1', 1],
    ]);
  });
});

describe('the digest of event ids', () => {
  const ids = fc.array(fc.uuid(), { maxLength: 30 });
  const sum = (all: readonly string[]): IdDigest => all.map(digestOf).reduce(addDigests, emptyDigest);

  it('of a log is the sum of those of its parts, in any order', () => {
    fc.assert(
      fc.property(ids, ids, (left, right) => {
        expect(addDigests(sum(left), sum(right))).toEqual(sum([...right, ...left].reverse()));
      }),
    );
  });

  it('notices an event that is missing, doubled, or seen three times instead of once', () => {
    fc.assert(
      fc.property(ids, fc.uuid(), (others, id) => {
        const once = sum([...others, id]);
        for (const wrong of [others, [...others, id, id], [...others, id, id, id]])
          expect(sum(wrong)).not.toEqual(once);
      }),
    );
  });

  it('is the start of the SHA-256 of the id, and survives being written down', () => {
    const id = idOf('some event');
    expect(digestToHex(digestOf(id.toUpperCase()))).toBe(
      createHash('sha256').update(id).digest('hex').slice(0, 32),
    );
    fc.assert(fc.property(ids, (all) => expect(digestFromHex(digestToHex(sum(all)))).toEqual(sum(all))));
    expect(digestFromHex('0'.repeat(31) + '1')).toEqual({ hi: 0n, lo: 1n });
  });
});
