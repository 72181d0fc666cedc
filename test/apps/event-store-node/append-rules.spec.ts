import {
  decideAppend,
  decideDelete,
  decideTombstone,
  type ExpectedRevision,
  type StreamView,
} from '../../../apps/event-store-node/log/append-rules';

const any: ExpectedRevision = { kind: 'any' };
const noStream: ExpectedRevision = { kind: 'noStream' };
const streamExists: ExpectedRevision = { kind: 'streamExists' };
const exact = (revision: number): ExpectedRevision => ({ kind: 'exact', revision });

/** A stream that holds the ids of `text`, one letter each, at positions 100, 101, … */
function stream(text: string, traits: Partial<StreamView> = {}): StreamView {
  const ids = [...text];
  return {
    last: ids.length - 1,
    tombstoned: false,
    softDeleted: false,
    hasMetadata: false,
    eventAt: (revision) => {
      const id = ids[revision];
      return id === undefined ? undefined : { id, position: 100 + revision };
    },
    revisionOf: (id) => (ids.includes(id) ? ids.lastIndexOf(id) : undefined),
    ...traits,
  };
}

function verdict(view: StreamView, expected: ExpectedRevision, ids: string): string {
  const decision = decideAppend(view, expected, [...ids]);
  if (decision.kind !== 'alreadyWritten') return decision.kind;
  return `already ${decision.revision}@${decision.position ?? 'none'}`;
}

describe('the revision check of an append', () => {
  test.each([
    ['exact, equal', 'abc', exact(2), 'x', 'write'],
    ['exact, equal, known id', 'abc', exact(2), 'a', 'write'],
    ['exact, ahead', 'abc', exact(3), 'x', 'wrongExpectedVersion'],
    ['exact, behind, other id', 'abc', exact(1), 'x', 'wrongExpectedVersion'],
    ['exact, behind, same ids', 'abc', exact(0), 'bc', 'already 2@102'],
    ['exact, behind, same ids and later writes', 'abcd', exact(0), 'bc', 'already 2@102'],
    ['exact, behind, runs past the end', 'abc', exact(1), 'cd', 'wrongExpectedVersion'],
    ['exact, behind, nothing to compare', 'abc', exact(0), '', 'wrongExpectedVersion'],
    ['no stream, new', '', noStream, 'x', 'write'],
    ['no stream, repeated', 'abc', noStream, 'ab', 'already 1@101'],
    ['no stream, taken', 'abc', noStream, 'x', 'wrongExpectedVersion'],
    ['exists, missing', '', streamExists, 'x', 'wrongExpectedVersion'],
    ['exists, there', 'a', streamExists, 'x', 'write'],
    ['exists, repeated', 'abc', streamExists, 'bc', 'already 2@102'],
    ['any, new', '', any, 'x', 'write'],
    ['any, all known: prefix', 'abcd', any, 'ab', 'already 1@101'],
    ['any, all known: middle', 'abcd', any, 'bc', 'already 2@102'],
    ['any, all known: suffix', 'abcd', any, 'cd', 'already 3@103'],
    ['any, first known, later unknown', 'abc', any, 'cx', 'wrongExpectedVersion'],
    ['any, first unknown', 'abc', any, 'xa', 'write'],
    ['any, known with a gap', 'abcd', any, 'bd', 'already 3@103'],
    ['any, known in another order', 'abc', any, 'acb', 'already 1@101'],
    ['any, known, the last right before the first', 'abc', any, 'ba', 'already 0@100'],
    ['any, known, the last far before the first', 'abc', any, 'ca', 'wrongExpectedVersion'],
    ['exists, known in another order', 'abc', streamExists, 'cab', 'already 1@101'],
    ['exact, behind, known in another order', 'abc', exact(0), 'cb', 'wrongExpectedVersion'],
    ['any, nothing', 'abc', any, '', 'write'],
    ['the same id twice', '', exact(-1), 'aa', 'write'],
  ] as const)('%s', (_name, held, expected, ids, outcome) => {
    expect(verdict(stream(held), expected, ids)).toBe(outcome);
  });

  test('a tombstone refuses everything', () => {
    for (const expected of [any, noStream, streamExists, exact(0)])
      expect(verdict(stream('a', { tombstoned: true }), expected, 'x')).toBe('streamDeleted');
  });

  test('a stream with nothing but metadata exists', () => {
    expect(verdict(stream('', { hasMetadata: true }), streamExists, 'x')).toBe('write');
  });

  test.each([
    ['no stream, other ids', noStream, 'x', 'write'],
    ['no stream, the same ids', noStream, 'ab', 'already 1@none'],
    ['any', any, 'ab', 'write'],
    ['exists', streamExists, 'x', 'streamDeleted'],
    ['exact, current', exact(1), 'x', 'write'],
    ['exact, other', exact(0), 'b', 'wrongExpectedVersion'],
  ] as const)('soft-deleted: %s', (_name, expected, ids, outcome) => {
    expect(verdict(stream('ab', { softDeleted: true, hasMetadata: true }), expected, ids)).toBe(outcome);
  });
});

describe('the revision check of deletes', () => {
  const softDeleted = stream('ab', { softDeleted: true, hasMetadata: true });

  test.each([
    ['missing, any', stream(''), any, 'wrongExpectedVersion', 'write'],
    ['missing, no stream', stream(''), noStream, 'wrongExpectedVersion', 'write'],
    ['only metadata, any', stream('', { hasMetadata: true }), any, 'write', 'write'],
    ['current revision', stream('ab'), exact(1), 'write', 'write'],
    ['other revision', stream('ab'), exact(0), 'wrongExpectedVersion', 'wrongExpectedVersion'],
    ['soft-deleted, any', softDeleted, any, 'write', 'write'],
    ['soft-deleted, no stream', softDeleted, noStream, 'write', 'write'],
    ['soft-deleted, exists', softDeleted, streamExists, 'streamDeleted', 'streamDeleted'],
    ['soft-deleted, current', softDeleted, exact(1), 'write', 'write'],
    ['soft-deleted, other', softDeleted, exact(0), 'wrongExpectedVersion', 'wrongExpectedVersion'],
    ['tombstoned', stream('ab', { tombstoned: true }), any, 'streamDeleted', 'streamDeleted'],
  ] as const)('%s', (_name, view, expected, onDelete, onTombstone) => {
    expect(decideDelete(view, expected).kind).toBe(onDelete);
    expect(decideTombstone(view, expected).kind).toBe(onTombstone);
  });
});
