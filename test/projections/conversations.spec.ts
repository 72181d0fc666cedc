import type { ConversationEvent, MessageAttached } from '../../domain/conversation/conversation.events';
import {
  conversationNotesTable,
  conversationReadsTable,
  conversationsProjection,
  conversationsTable,
} from '../../projections/oltp/conversations.projection';
import { given } from '../support/projection-spec';
import { idOf, RecordedLog } from '../support/recorded-log';

const having = (fields: object) => expect.objectContaining(fields) as object;
const inMailbox = { conversationId: idOf('a'), mailboxId: idOf('mailbox') };
const row = {
  id: idOf('a'),
  email_account_id: idOf('mailbox'),
  subject: 'About a',
  status: 'open',
  assigned_agent_id: null,
  unread_count: 0,
  message_count: 0,
  unread_message_ids: [],
  last_message_id: null,
  last_from: '',
  preview: '',
  last_message_at: null,
  merged_into: null,
  created_at: '2026-03-01T09:00:00.000Z',
  updated_at: '2026-03-01T10:00:00.000Z',
  stream_revision: 0,
};
const opened: ConversationEvent = {
  type: 'ConversationOpened',
  data: { ...inMailbox, rootNodeId: idOf('root'), openedAt: '2026-03-01T10:00:00+01:00', subject: 'About a' },
};
const merged: ConversationEvent = { type: 'ConversationMerged', data: { ...inMailbox, into: idOf('b') } };

function attached(
  message: string,
  at: string,
  fields: Partial<MessageAttached['data']> = {},
): MessageAttached {
  return {
    type: 'MessageAttached',
    data: {
      ...inMailbox,
      ...{ messageId: idOf(message), direction: 'inbound', messageType: 'email', parentMessageId: null },
      ...{ at, from: `${message}@customer.example`, preview: `This is ${message}` },
      ...fields,
    },
  };
}
const detached = (message: string): ConversationEvent => ({
  type: 'MessageDetached',
  data: { ...inMailbox, messageId: idOf(message), to: idOf('b') },
});
const read = (agent: string, messageCount: number): ConversationEvent => ({
  type: 'ConversationRead',
  data: { ...inMailbox, agentId: idOf(agent), messageCount },
});
const markedUnread = (agent: string): ConversationEvent => ({
  type: 'ConversationMarkedUnread',
  data: { ...inMailbox, agentId: idOf(agent) },
});
const assigned = (agent: string): ConversationEvent => ({
  type: 'ConversationAssigned',
  data: { ...inMailbox, assigneeId: idOf(agent), previousAssigneeId: null, cause: 'manual' },
});
const resolved: ConversationEvent = {
  type: 'ConversationStatusChanged',
  data: { ...inMailbox, from: 'open', to: 'resolved', cause: 'agent' },
};
const noted = (note: string): ConversationEvent => ({
  type: 'NoteAdded',
  data: {
    ...inMailbox,
    ...{ noteId: idOf(note), authorId: idOf('ana'), addedAt: '2026-03-01T11:00:00+01:00', text: note },
    cause: 'agent',
  },
});

const logOf = (...events: ConversationEvent[]) =>
  events.reduce((log, event) => log.add('conversation', idOf('a'), event), new RecordedLog()).events;
const whenProjected = (...events: ConversationEvent[]) =>
  given(logOf(...events)).whenProjectedBy(conversationsProjection);
const expectRow = (events: ConversationEvent[], fields: object) =>
  whenProjected(...events).thenRows(conversationsTable, [having(fields)]);

const [nine, ten, eleven] = ['2026-03-01T09:00:00Z', '2026-03-01T10:00:00Z', '2026-03-01T11:00:00Z'] as const;
const [a1, a2] = [attached('one', nine), attached('two', ten)];

describe('a conversation', () => {
  it('begins open, empty, and with nobody', () => {
    whenProjected(opened).thenRows(conversationsTable, [row]);
  });

  it('shows the message that was attached, and counts it', () => {
    whenProjected(opened, a1).thenRows(conversationsTable, [
      {
        ...row,
        ...{ message_count: 1, unread_count: 1, unread_message_ids: [idOf('one')] },
        ...{ last_message_id: idOf('one'), last_from: 'one@customer.example', preview: 'This is one' },
        ...{ last_message_at: '2026-03-01T09:00:00.000Z', updated_at: '2026-03-01T10:01:00.000Z' },
        stream_revision: 1,
      },
    ]);
  });

  it('shows the newest message, whichever was attached last, comparing times and not spellings', () => {
    const lateInAnotherZone = attached('late', '2026-03-01T05:30:00-05:00');
    expectRow([opened, lateInAnotherZone, a2], {
      ...{ last_message_id: idOf('late'), last_message_at: '2026-03-01T10:30:00.000Z' },
      ...{ preview: 'This is late', message_count: 2, unread_count: 2 },
    });
    expectRow([opened, a2, lateInAnotherZone], { last_message_id: idOf('late') });
    // Of two at one instant, the one the log has last.
    expectRow([opened, a2, attached('twin', ten)], { last_message_id: idOf('twin') });
  });

  it('does not call its own answers unread', () => {
    const answer = attached('answer', eleven, { direction: 'outbound' });
    expectRow([opened, a1, answer], {
      ...{ message_count: 2, unread_count: 1, unread_message_ids: [idOf('one')] },
      last_message_id: idOf('answer'),
    });
  });

  it('follows its status and its assignee', () => {
    expectRow([opened, resolved], { status: 'resolved' });
    expectRow([opened, assigned('ana'), assigned('ben')], { assigned_agent_id: idOf('ben') });
    const unassigned: ConversationEvent = {
      type: 'ConversationUnassigned',
      data: { ...inMailbox, previousAssigneeId: idOf('ana') },
    };
    expectRow([opened, assigned('ana'), unassigned], { assigned_agent_id: null, status: 'open' });
  });

  it('is not made by an event of a stream that never began', () => {
    whenProjected(a1, resolved).thenRows(conversationsTable, []);
  });

  it('shows the revision of its last event of any type, because that is its ETag', () => {
    const events = [
      opened,
      a1,
      read('ana', 1),
      markedUnread('ana'),
      noted('n'),
      resolved,
      detached('one'),
      merged,
    ];
    events.forEach((_event, revision) =>
      expectRow(events.slice(0, revision + 1), { stream_revision: revision }),
    );
  });

  it('moves up in the inbox with everything but reading', () => {
    const [stays, moves] = ['2026-03-01T10:01:00.000Z', '2026-03-01T10:02:00.000Z'];
    expectRow([opened, a1, read('ana', 1)], { updated_at: stays });
    expectRow([opened, a1, markedUnread('ana')], { updated_at: stays });
    for (const event of [a2, detached('one'), noted('n'), assigned('ana'), resolved, merged]) {
      expectRow([opened, a1, event], { updated_at: moves });
    }
  });

  it('never moves down, though the clock of one writer lags', () => {
    const events = logOf(opened, a1, a2).map((event, index) =>
      index === 2 ? { ...event, metadata: { ...event.metadata, occurredAt: '2026-03-01T08:00:00Z' } } : event,
    );
    given(events)
      .whenProjectedBy(conversationsProjection)
      .thenRows(conversationsTable, [having({ updated_at: '2026-03-01T10:01:00.000Z', stream_revision: 2 })]);
  });
});

describe('unread', () => {
  it('is what came in since anyone of the team last read it', () => {
    expectRow([opened, a1, a2, read('ana', 2)], { unread_count: 0, unread_message_ids: [] });
    expectRow([opened, a1, read('ana', 1), a2], { unread_count: 1, unread_message_ids: [idOf('two')] });
  });

  it('keeps what each agent has seen, and forgets it with the mark', () => {
    const events = [opened, a1, read('ana', 1), a2, read('ben', 2)];
    const ana = { agent_id: idOf('ana'), seen_count: 1, seen_at: '2026-03-01T10:02:00.000Z' };
    const ben = { agent_id: idOf('ben'), seen_count: 2, seen_at: '2026-03-01T10:04:00.000Z' };
    const of = { conversation_id: idOf('a') };
    whenProjected(...events).thenRows(conversationReadsTable, [
      { ...of, ...ana },
      { ...of, ...ben },
    ]);
    whenProjected(...events, markedUnread('ana')).thenRows(conversationReadsTable, [{ ...of, ...ben }]);
  });

  it('is one when an agent marks what was read, and stays what it was otherwise', () => {
    expectRow([opened, a1, a2, read('ana', 2), markedUnread('ana')], { unread_count: 1 });
    expectRow([opened, a1, read('ana', 1), a2, attached('three', eleven), markedUnread('ana')], {
      unread_count: 2,
    });
    expectRow([opened, a1, read('ana', 1), markedUnread('ana'), read('ana', 1)], { unread_count: 0 });
  });

  it('goes along with the message that is moved, and no other mark does', () => {
    expectRow([opened, a1, a2, detached('one')], { message_count: 1, unread_message_ids: [idOf('two')] });
    expectRow([opened, a1, read('ana', 1), a2, detached('one')], {
      ...{ message_count: 1, unread_count: 1 },
      unread_message_ids: [idOf('two')],
    });
  });

  it('keeps the mark an agent set, whatever becomes of the message it was set at', () => {
    const readByAna = [opened, a1, a2, read('ana', 2)];
    expectRow([...readByAna, markedUnread('ana'), detached('two')], { message_count: 1, unread_count: 1 });
    const events = [...readByAna, detached('two'), markedUnread('ana')];
    expectRow(events, { message_count: 1, unread_count: 1 });
    expectRow([...events, a2], { message_count: 2, unread_count: 2 });
    expectRow([...events, a2, detached('two')], { message_count: 1, unread_count: 1 });
  });

  it('is nothing where no message is left', () => {
    expectRow([opened, a1, read('ana', 1), detached('one'), markedUnread('ana')], { unread_count: 0 });
    expectRow([opened, a1, read('ana', 1), markedUnread('ana'), detached('one')], {
      ...{ message_count: 0, unread_count: 0 },
    });
  });
});

describe('a message that is moved', () => {
  it('takes its counts along', () => {
    given(new RecordedLog().mail('a').mail('b').move('b', 'b', 'a').events)
      .whenProjectedBy(conversationsProjection)
      .thenRows(conversationsTable, [
        having({ id: idOf('a'), message_count: 2, unread_count: 2 }),
        having({ id: idOf('b'), message_count: 0, unread_count: 0 }),
      ]);
  });

  it('is no longer shown where it was', () => {
    const gone = { last_message_id: null, last_from: '', preview: '', last_message_at: null };
    expectRow([opened, a1, a2, detached('two')], { ...gone, message_count: 1 });
    expectRow([opened, a1, a2, detached('one')], { last_message_id: idOf('two'), preview: 'This is two' });
    expectRow([opened, attached('far', eleven), detached('far'), a1], { last_message_id: idOf('one') });
  });
});

describe('a merged conversation', () => {
  const past = [opened, a1, assigned('ana'), resolved, detached('one'), merged];

  it('is another name of one that lives, and counts nothing', () => {
    expectRow(past, {
      ...{ status: 'merged', merged_into: idOf('b'), message_count: 0, unread_count: 0 },
      unread_message_ids: [],
    });
  });

  it('begins anew when it is needed again, but for the day it was first opened', () => {
    const again: ConversationEvent = {
      type: 'ConversationOpened',
      data: { ...opened.data, rootNodeId: idOf('root'), openedAt: eleven, subject: 'About a, again' },
    };
    whenProjected(...past, again).thenRows(conversationsTable, [
      {
        ...row,
        ...{ subject: 'About a, again', stream_revision: 6 },
        updated_at: '2026-03-01T11:00:00.000Z',
      },
    ]);
  });
});

describe('notes', () => {
  it('are kept in full, each once', () => {
    const note = (name: string) => ({
      ...{ conversation_id: idOf('a'), id: idOf(name), author_id: idOf('ana'), body: name },
      created_at: '2026-03-01T10:00:00.000Z',
    });
    whenProjected(opened, noted('first'), noted('second')).thenRows(conversationNotesTable, [
      note('first'),
      note('second'),
    ]);
    whenProjected(opened, noted('first'), noted('first')).thenRows(conversationNotesTable, [note('first')]);
  });
});
