import fc from 'fast-check';
import type { ThreadMember } from '../../domain/thread/thread.events';

/** What one mail of a generated exchange says about its place, with ids as short names. */
export type ForestMail = Omit<ThreadMember, 'messageId'>;

/**
 * Exchanges as mail clients and the world make them: reply forests whose References are complete, cut at either end, or
 * reduced to In-Reply-To, with mails that never arrive, ids that lead nowhere or in a ring, missing and equal dates.
 */
export function mailForest(mailsMax = 9): fc.Arbitrary<ForestMail[]> {
  return fc
    .array(
      fc.record({
        parent: fc.option(fc.nat(mailsMax), { freq: 3 }),
        habit: fc.constantFrom('all', 'all', 'first-and-last', 'last', 'none'),
        stray: fc.option(fc.nat(mailsMax + 2), { freq: 4 }),
        arrives: fc.integer({ min: 0, max: 5 }).map((n) => n > 0),
        minute: fc.option(fc.integer({ min: 10, max: 20 }), { freq: 5 }),
        subject: fc.option(fc.constantFrom('order', 'invoice'), { freq: 2 }),
        isReplySubject: fc.boolean(),
      }),
      { minLength: 1, maxLength: mailsMax },
    )
    .chain((drafts) =>
      fc.boolean().map((joinsBySubject) => {
        const parents = drafts.map(({ parent }, i) => (parent !== null && parent < i ? parent : null));
        return drafts.flatMap((draft, i): ForestMail[] => {
          if (!draft.arrives) return [];
          const references = refer(ancestry(parents, i), draft.habit);
          // A stray id may name any mail, also a later one or itself: this is how rings come about.
          const ancestorNodeIds = draft.stray === null ? references : [...references, nodeName(draft.stray)];
          return [
            {
              nodeId: nodeName(i),
              ancestorNodeIds: ancestorNodeIds.filter((nodeId) => nodeId !== nodeName(i)),
              subjectNodeId: joinsBySubject ? draft.subject : null,
              isReplySubject: draft.isReplySubject,
              sentAt: draft.minute === null ? null : `2026-01-01T00:${draft.minute}:00.000Z`,
            },
          ];
        });
      }),
    );
}

export function nodeName(index: number): string {
  return `node-${String(index).padStart(2, '0')}`;
}

function ancestry(parents: readonly (number | null)[], index: number): string[] {
  const chain: string[] = [];
  for (let parent = parents[index]; typeof parent === 'number'; parent = parents[parent]) {
    chain.unshift(nodeName(parent));
  }
  return chain;
}

function refer(chain: readonly string[], habit: string): string[] {
  if (habit === 'all') return [...chain];
  if (habit === 'none') return [];
  return chain.filter((_, i) => i === chain.length - 1 || (i === 0 && habit === 'first-and-last'));
}
