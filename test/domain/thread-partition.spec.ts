import fc from 'fast-check';
import { partition, possibleRootNodeIds } from '../../domain/thread/partition';
import type { ThreadMember } from '../../domain/thread/thread.events';
import { mailForest } from '../support/mail-forest';

function says(nodeId: string, fields: Partial<ThreadMember> = {}): ThreadMember {
  return {
    messageId: `message ${nodeId}`,
    nodeId,
    ancestorNodeIds: [],
    subjectNodeId: null,
    isReplySubject: false,
    sentAt: null,
    ...fields,
  };
}
const forest = () =>
  mailForest().map((mails) => mails.map((mail): ThreadMember => ({ ...mail, messageId: mail.nodeId })));

describe('partitioning a thread into conversations', () => {
  it('follows References down to the root, seen or not', () => {
    const [found, ...others] = partition([
      says('c', { ancestorNodeIds: ['a', 'b'] }),
      says('b', { ancestorNodeIds: ['a'] }),
    ]);
    expect(others).toEqual([]);
    expect(found).toEqual({
      rootNodeId: 'a',
      members: [
        { messageId: 'message b', parentMessageId: null },
        { messageId: 'message c', parentMessageId: 'message b' },
      ],
    });
  });

  it('lets a message decide about its own parent against what others imply', () => {
    const claimed = says('b', { ancestorNodeIds: ['a', 'c'], sentAt: '2026-01-01T00:00:00.000Z' });
    const own = says('c', { ancestorNodeIds: ['x'], sentAt: '2026-01-02T00:00:00.000Z' });
    expect(partition([claimed, own]).map(({ rootNodeId }) => rootNodeId)).toEqual(['x']);
  });

  it('keeps two messages of one Message-ID in one conversation, and the first one decides where', () => {
    const original = says('a', { ancestorNodeIds: ['root'], sentAt: '2026-01-01T00:00:00.000Z' });
    const reuse = says('a', { messageId: 'spoof', sentAt: '2026-01-02T00:00:00.000Z' });
    expect(partition([reuse, original])).toEqual([
      {
        rootNodeId: 'root',
        members: [
          { messageId: 'message a', parentMessageId: null },
          { messageId: 'spoof', parentMessageId: null },
        ],
      },
    ]);
  });

  it('joins by base subject where messages carry one, answers below the original', () => {
    const original = says('a', { subjectNodeId: 'foo', sentAt: '2026-01-02T00:00:00.000Z' });
    const answer = says('b', {
      ancestorNodeIds: ['c'],
      subjectNodeId: 'foo',
      isReplySubject: true,
      sentAt: '2026-01-01T00:00:00.000Z',
    });
    expect(partition([answer, original])).toEqual([
      {
        rootNodeId: 'foo',
        members: [
          { messageId: 'message a', parentMessageId: null },
          { messageId: 'message b', parentMessageId: 'message a' },
        ],
      },
    ]);
  });

  it('reads a chain of ten thousand replies', () => {
    const chain = Array.from({ length: 10_000 }, (_, i) =>
      says(`n${i}`, { ancestorNodeIds: i === 0 ? [] : [`n${i - 1}`] }),
    );
    expect(partition(chain)).toMatchObject([{ rootNodeId: 'n0', members: { length: 10_000 } }]);
  });

  it('gives the same conversations for every order of the evidence, and each message one place', () => {
    fc.assert(
      fc.property(
        forest().chain((members) =>
          fc.tuple(fc.constant(members), fc.shuffledSubarray(members, { minLength: members.length })),
        ),
        ([members, shuffled]) => {
          const conversations = partition(members);
          expect(partition(shuffled)).toEqual(conversations);
          const placed = conversations.flatMap((found) => found.members.map(({ messageId }) => messageId));
          expect(placed.toSorted()).toEqual(members.map(({ messageId }) => messageId).toSorted());
        },
      ),
      { numRuns: 500 },
    );
  });

  it('never had a root, whatever part of the evidence was known, that is not among the possible ones', () => {
    fc.assert(
      fc.property(
        forest().chain((members) => fc.tuple(fc.constant(members), fc.subarray(members))),
        ([members, known]) => {
          const possible = possibleRootNodeIds(members);
          for (const { rootNodeId } of partition(known)) expect(possible).toContain(rootNodeId);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('gives every message a parent that comes before it in the list', () => {
    fc.assert(
      fc.property(forest(), (members) => {
        for (const found of partition(members)) {
          const before = new Set<string | null>([null]);
          for (const { messageId, parentMessageId } of found.members) {
            expect(before).toContain(parentMessageId);
            before.add(messageId);
          }
        }
      }),
    );
  });
});
