import fc from 'fast-check';
import type { ConversationEvent } from '../../../../domain/conversation/conversation.events';
import {
  AddNote,
  AssignConversation,
  ChangeStatus,
  type ConversationCommand,
} from '../../../../domain/conversation/conversation.commands';
import { conversation } from '../../../../domain/conversation/conversation';
import { streamName } from '../../../../domain/stream-name';
import { handleCommand } from '../../../../apps/shared/event-store/handle-command';
import { at, by } from '../../../support/commands';
import {
  conversationsIn,
  deliver,
  ids,
  mailboxId,
  resume,
  type TestMail,
} from '../../../support/mail-delivery';
import { mailForest } from '../../../support/mail-forest';
import { MemoryEventStore } from '../../../support/memory-event-store';

function mail(nodeId: string, ancestorNodeIds: string[] = [], fields: Partial<TestMail> = {}): TestMail {
  return { nodeId, ancestorNodeIds, subjectNodeId: null, isReplySubject: false, sentAt: null, ...fields };
}
const conversationAt = (rootName: string): string =>
  ids.conversationId(mailboxId, ids.messageId(mailboxId, rootName));

async function delivered(mails: readonly TestMail[]): Promise<MemoryEventStore> {
  const store = new MemoryEventStore();
  for (const next of mails) await deliver(store, next);
  return store;
}

/** Mails of a forest, some of them with a second text under the same Message-ID, some delivered twice. */
const mailbag = () =>
  mailForest().chain((mails) =>
    fc
      .array(fc.record({ index: fc.nat(20), isReuse: fc.boolean() }), { maxLength: 3 })
      .map((copies): TestMail[] => [
        ...mails,
        ...copies.flatMap(({ index, isReuse }, i) => {
          const original = mails[index];
          if (!original) return [];
          return [isReuse ? { ...original, text: `reuse ${i}` } : original];
        }),
      ]),
  );
const inTwoOrders = () =>
  mailbag().chain((mails) =>
    fc.tuple(fc.constant(mails), fc.shuffledSubarray(mails, { minLength: mails.length })),
  );
const texts = (mails: readonly TestMail[]): string[] =>
  [...new Set(mails.map(({ text, nodeId }) => text ?? `text of ${nodeId}`))].toSorted();

describe('threading a message', () => {
  it('opens a conversation for mail that refers to nothing, in three reads and one append', async () => {
    const store = new MemoryEventStore();
    const calls: string[] = [];
    store.after = ({ kind, streamName: name }) => void calls.push(`${kind} ${name.split('-')[0]}`);
    const { conversationId, revision, position } = await deliver(store, mail('a'));
    expect(calls).toEqual([
      'read message',
      'append message',
      'read thread',
      'read conversation',
      'append conversation',
      'read thread',
    ]);
    expect({ conversationId, revision }).toEqual({ conversationId: conversationAt('a'), revision: 1 });
    expect(position).toBe(await store.head());
  });

  it('adds a reply to the conversation of what it answers, and says which message that is', async () => {
    const store = await delivered([mail('a'), mail('b', ['a'])]);
    expect(conversationsIn(store)).toEqual({ [conversationAt('a')]: ['text of a', 'text of b'] });
    expect(store.log.at(-1)).toMatchObject({
      type: 'MessageAttached',
      data: { parentMessageId: ids.messageId(mailboxId, 'a') },
    });
  });

  it('finds a reply that came before what it answers', async () => {
    const store = await delivered([mail('b', ['a']), mail('a')]);
    expect(conversationsIn(store)).toEqual({ [conversationAt('a')]: ['text of a', 'text of b'] });
  });

  it('merges two conversations when a late mail connects them, with what agents did there', async () => {
    const store = await delivered([mail('c', ['b'])]);
    const conversationId = conversationAt('b');
    const inB = async (command: ConversationCommand) =>
      handleCommand({
        store,
        decider: conversation,
        streamName: streamName('conversation', by.tenantId, conversationId),
        command,
      });
    const as = (commandId: string) => ({ ...by, commandId });
    await inB(new AssignConversation({ conversationId, assigneeId: 'ana', cause: 'manual' }, as('1')));
    await inB(
      new AddNote(
        { conversationId, noteId: 'n', authorId: 'ana', addedAt: at, text: 'hm', cause: 'agent' },
        as('2'),
      ),
    );
    await inB(new ChangeStatus({ conversationId, status: 'resolved', cause: 'agent' }, as('3')));
    await deliver(store, mail('b', ['a']));

    expect(conversationsIn(store)).toEqual({ [conversationAt('a')]: ['text of b', 'text of c'] });
    const merged = typesOf(store, conversationAt('a'));
    expect(merged).toEqual([
      'ConversationOpened',
      'MessageAttached',
      'ConversationAssigned',
      'ConversationStatusChanged',
      'NoteAdded',
      'MessageAttached',
      'ConversationStatusChanged',
    ]);
    expect(typesOf(store, conversationId).slice(-2)).toEqual(['MessageDetached', 'ConversationMerged']);
  });

  it('takes apart what only an unseen header had joined, and lives in an alias again (imaptest thread.mbox)', async () => {
    const [a, b, c] = [mail('a'), mail('b', ['a', 'c']), mail('c', ['b'])];
    const partitionOf = async (mails: TestMail[]) => Object.values(conversationsIn(await delivered(mails)));
    const expected = [['text of b', 'text of c'], ['text of a']];
    for (const order of [
      [a, b, c],
      [b, c, a],
      [c, b, a],
      [c, a, b],
      [b, a, c],
      [a, c, b],
    ]) {
      const found = await partitionOf(order);
      expect(found.toSorted((x, y) => y.length - x.length)).toEqual(expected);
    }
  });

  it('does nothing when the same mail comes again', async () => {
    const store = await delivered([mail('a'), mail('b', ['a', 'x'])]);
    const length = store.log.length;
    const answer = await deliver(store, mail('b', ['a', 'x']));
    expect(store.log).toHaveLength(length);
    expect(answer.conversationId).toBe(conversationAt('a'));
  });

  it('keeps two mails of one Message-ID apart, in one conversation', async () => {
    const store = await delivered([mail('a'), mail('a', [], { text: 'other' })]);
    expect(conversationsIn(store)).toEqual({ [conversationAt('a')]: ['other', 'text of a'] });
  });

  it('keeps a thread of 120 mails that arrive latest first', async () => {
    const names = Array.from({ length: 120 }, (_, i) => `n${i}`);
    const mails = names.map((name, i) => mail(name, names.slice(Math.max(0, i - 2), i)));
    const store = await delivered(mails.toReversed());
    expect(Object.values(conversationsIn(store)).map((found) => found.length)).toEqual([120]);
  });

  it('is not alone when all it names lead back to it, because another was faster between two of its reads', async () => {
    // Found by the interleaving property below. Ids decide the direction of merges; these make it thread 5.
    const [fourth, fifth] = [
      mail('node-04', ['node-03']),
      mail('node-05', ['node-04', 'node-03'], { sentAt: at }),
    ];
    const store = new MemoryEventStore();
    const thirdThread = streamName('thread', by.tenantId, ids.messageId(mailboxId, 'node-03'));
    let isFirst = true;
    store.before = async ({ streamName: name }) => {
      if (!isFirst || name !== thirdThread) return;
      isFirst = false;
      await deliver(store.ofAnotherProcess(), fourth);
    };
    await deliver(store, fifth);
    expect(conversationsIn(store)).toEqual({
      [conversationAt('node-04')]: ['text of node-04', 'text of node-05'],
    });
  });

  it('ends with the same conversations for every order of delivery, every message in one of them', async () => {
    await fc.assert(
      fc.asyncProperty(inTwoOrders(), async ([mails, shuffled]) => {
        const found = conversationsIn(await delivered(mails));
        expect(conversationsIn(await delivered(shuffled))).toEqual(found);
        expect(Object.values(found).flat().toSorted()).toEqual(texts(mails));
      }),
      { numRuns: 300 },
    );
  });

  it('appends nothing when everything is threaded once more', async () => {
    await fc.assert(
      fc.asyncProperty(mailbag(), async (mails) => {
        const store = await delivered(mails);
        const length = store.log.length;
        await resume(store);
        expect(store.log).toHaveLength(length);
      }),
      { numRuns: 100 },
    );
  });

  it.each(['before', 'after'] as const)(
    'goes on wherever it was stopped, %s any append became durable',
    async (moment) => {
      await fc.assert(
        fc.asyncProperty(inTwoOrders(), fc.nat(60), async ([mails, shuffled], appendsBeforeStop) => {
          const store = new MemoryEventStore();
          let left = appendsBeforeStop;
          const stop = (): void => {
            throw new Stopped();
          };
          store[moment] = ({ kind }) => (kind === 'append' && left-- === 0 ? stop() : undefined);
          for (const next of shuffled) {
            // Once stopped, the sender tries again, as after a timeout; the stopped run never goes on.
            await deliver(store, next).catch(async (error: unknown) => {
              if (!(error instanceof Stopped)) throw error;
            });
          }
          for (const next of shuffled) await deliver(store, next);
          await resume(store);
          expect(conversationsIn(store)).toEqual(conversationsIn(await delivered(mails)));
        }),
        { numRuns: 150 },
      );
    },
  );

  it('converges when all mails come at once, in any interleaving', async () => {
    await fc.assert(
      fc.asyncProperty(mailbag(), fc.scheduler(), async (mails, scheduler) => {
        const store = new MemoryEventStore();
        store.before = ({ kind, streamName: name }) =>
          scheduler.schedule(Promise.resolve(), `${kind} ${name}`);
        const all = Promise.all(mails.map((next) => deliver(store.ofAnotherProcess(), next)));
        await scheduler.waitFor(all);
        expect(conversationsIn(store)).toEqual(conversationsIn(await delivered(mails)));
      }),
      { numRuns: 150 },
    );
  });
});

class Stopped extends Error {}

function typesOf(store: MemoryEventStore, conversationId: string): ConversationEvent['type'][] {
  const name = streamName('conversation', by.tenantId, conversationId);
  return store.log
    .filter((event) => event.streamName === name)
    .map(({ type }) => type as ConversationEvent['type']);
}
