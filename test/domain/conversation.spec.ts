import {
  AddNote,
  AssignConversation,
  AttachMessage,
  ChangeStatus,
  DetachMessage,
  MarkRead,
  MarkUnread,
  MergeConversation,
  OpenConversation,
  UnassignConversation,
} from '../../domain/conversation/conversation.commands';
import { conversation } from '../../domain/conversation/conversation';
import type {
  ConversationEvent,
  ConversationStatus,
  MessageAttached,
} from '../../domain/conversation/conversation.events';
import { at, by } from '../support/commands';
import { specify } from '../support/decider-spec';

const given = specify(conversation);
const conversationId = 'c1';
const inMailbox = { conversationId, mailboxId: 'box' };
const openedData = { ...inMailbox, rootNodeId: 'm1', openedAt: at, subject: 'Where is my order?' };
const opened: ConversationEvent = { type: 'ConversationOpened', data: openedData };

const attachment = (fields: Partial<MessageAttached['data']> = {}) => ({
  conversationId,
  messageId: 'm1',
  direction: 'inbound' as const,
  messageType: 'email' as const,
  parentMessageId: null,
  at,
  from: 'cara@customer.example',
  preview: 'Hello',
  ...fields,
});
const attach = (fields: Partial<MessageAttached['data']> = {}, moved = false) =>
  new AttachMessage({ ...attachment(fields), moved }, by);
const attached = (fields: Partial<MessageAttached['data']> = {}): ConversationEvent => ({
  type: 'MessageAttached',
  data: { ...attachment(fields), mailboxId: 'box' },
});
const detached: ConversationEvent = {
  type: 'MessageDetached',
  data: { ...inMailbox, messageId: 'm1', to: 'c2' },
};
const merged: ConversationEvent = { type: 'ConversationMerged', data: { ...inMailbox, into: 'c2' } };
const changed = (
  from: ConversationStatus,
  to: ConversationStatus,
  cause: 'agent' | 'reply' | 'merge' = 'agent',
): ConversationEvent => ({ type: 'ConversationStatusChanged', data: { ...inMailbox, from, to, cause } });
const changeStatus = (status: ConversationStatus, cause: 'agent' | 'merge' = 'agent') =>
  new ChangeStatus({ conversationId, status, cause }, by);
const assign = (assigneeId: string, cause: 'manual' | 'merge' = 'manual') =>
  new AssignConversation({ conversationId, assigneeId, cause }, by);
const assigned = (
  assigneeId: string,
  previousAssigneeId: string | null = null,
  cause: 'manual' | 'merge' = 'manual',
): ConversationEvent => ({
  type: 'ConversationAssigned',
  data: { ...inMailbox, assigneeId, previousAssigneeId, cause },
});
const unassign = new UnassignConversation({ conversationId }, by);
const note = {
  conversationId,
  noteId: 'n1',
  authorId: 'ana',
  addedAt: at,
  text: 'Call her',
  cause: 'agent',
} as const;
const noted: ConversationEvent = { type: 'NoteAdded', data: { ...note, mailboxId: 'box' } };
const read = (messageCount: number): ConversationEvent => ({
  type: 'ConversationRead',
  data: { ...inMailbox, agentId: 'ana', messageCount },
});
const markRead = new MarkRead({ conversationId, agentId: 'ana' }, by);
const markUnread = new MarkUnread({ conversationId, agentId: 'ana' }, by);

describe('opening a conversation', () => {
  it('records where its tree begins', () => {
    given([]).when(new OpenConversation(openedData, by)).then([opened]);
  });
  it('makes an alias live again, with nothing of its past', () => {
    const history = [opened, attached(), assigned('ana'), detached, merged];
    given(history).when(new OpenConversation(openedData, by)).then([opened]);
    given([...history, opened])
      .when(attach())
      .then([attached()]);
    given([...history, opened])
      .when(unassign)
      .thenNothing();
  });
});

describe('attaching a message', () => {
  it('records who wrote when, and the message it answers', () => {
    given([opened, attached()])
      .when(attach({ messageId: 'm2', parentMessageId: 'm1' }))
      .then([attached({ messageId: 'm2', parentMessageId: 'm1' })]);
  });
  it.each(['resolved', 'pending'] as const)('opens a %s conversation when a customer answers', (status) => {
    given([opened, changed('open', status)])
      .when(attach())
      .then([attached(), changed(status, 'open', 'reply')]);
  });
  it('opens a resolved conversation when a bounce tells that the answer never arrived', () => {
    given([opened, changed('open', 'resolved')])
      .when(attach({ messageType: 'bounce' }))
      .then([attached({ messageType: 'bounce' }), changed('resolved', 'open', 'reply')]);
  });
  it.each([
    ['our own reply', attach({ direction: 'outbound' }), attached({ direction: 'outbound' })],
    ['a vacation notice', attach({ messageType: 'auto_reply' }), attached({ messageType: 'auto_reply' })],
    ['a message that only moved here', attach({}, true), attached()],
  ])('leaves a resolved conversation alone for %s', (_name, command, event) => {
    given([opened, changed('open', 'resolved')])
      .when(command)
      .then([event]);
  });
  it.each(['spam', 'trash'] as const)('does not bring a conversation back from %s', (status) => {
    given([opened, changed('open', status)])
      .when(attach())
      .then([attached()]);
  });
});

describe('detaching and merging', () => {
  it('says where the message has gone', () => {
    given([opened, attached()])
      .when(new DetachMessage({ conversationId, messageId: 'm1', to: 'c2' }, by))
      .then([detached]);
  });
  it('makes an empty conversation an alias', () => {
    given([opened, attached(), detached])
      .when(new MergeConversation({ conversationId, into: 'c2' }, by))
      .then([merged]);
  });
  it('refuses to make an alias of a conversation with messages', () => {
    given([opened, attached()])
      .when(new MergeConversation({ conversationId, into: 'c2' }, by))
      .thenRejectedWith('CONVERSATION_NOT_EMPTY');
  });
  it('finds nothing left to detach from an alias', () => {
    given([opened, attached(), detached, merged])
      .when(new DetachMessage({ conversationId, messageId: 'm1', to: 'c2' }, by))
      .thenNothing();
  });
});

describe('assigning a conversation', () => {
  it('records the assignee and the one before', () => {
    given([opened, assigned('ben')])
      .when(assign('ana'))
      .then([assigned('ana', 'ben')]);
  });
  it('is possible while pending', () => {
    given([opened, changed('open', 'pending')])
      .when(assign('ana'))
      .then([assigned('ana')]);
  });
  it.each(['resolved', 'spam', 'trash'] as const)('is refused when %s', (status) => {
    given([opened, changed('open', status)])
      .when(assign('ana'))
      .thenRejectedWith('CONVERSATION_NOT_ASSIGNABLE');
    given([opened, assigned('ana'), changed('open', status)])
      .when(unassign)
      .thenRejectedWith('CONVERSATION_NOT_ASSIGNABLE');
  });
  it('is carried over by a merge in any status', () => {
    given([opened, changed('open', 'resolved')])
      .when(assign('ana', 'merge'))
      .then([assigned('ana', null, 'merge')]);
  });
  it('is taken back', () => {
    given([opened, assigned('ana')])
      .when(unassign)
      .then([{ type: 'ConversationUnassigned', data: { ...inMailbox, previousAssigneeId: 'ana' } }]);
  });
});

describe('the status of a conversation', () => {
  it.each([
    ['open', 'pending'],
    ['open', 'resolved'],
    ['open', 'spam'],
    ['open', 'trash'],
    ['pending', 'open'],
    ['pending', 'resolved'],
    ['pending', 'spam'],
    ['pending', 'trash'],
    ['resolved', 'open'],
    ['resolved', 'pending'],
    ['resolved', 'spam'],
    ['resolved', 'trash'],
    ['spam', 'open'],
    ['spam', 'trash'],
    ['trash', 'open'],
    ['trash', 'spam'],
  ] as const)('goes from %s to %s', (from, to) => {
    const history = from === 'open' ? [opened] : [opened, changed('open', from)];
    given(history)
      .when(changeStatus(to))
      .then([changed(from, to)]);
  });
  it.each([
    ['spam', 'resolved', ['open', 'trash']],
    ['spam', 'pending', ['open', 'trash']],
    ['trash', 'resolved', ['open', 'spam']],
    ['trash', 'pending', ['open', 'spam']],
  ] as const)('does not go from %s to %s, and says what may be', (from, to, allowed) => {
    given([opened, changed('open', from)])
      .when(changeStatus(to))
      .thenRejectedWith('CONVERSATION_STATUS_REFUSED', { allowed });
  });
  it('is carried over by a merge, whatever it was', () => {
    given([opened, changed('open', 'trash')])
      .when(changeStatus('resolved', 'merge'))
      .then([changed('trash', 'resolved', 'merge')]);
  });
});

describe('what an agent has read', () => {
  it('is the number of messages there were', () => {
    given([opened, attached(), attached({ messageId: 'm2' })])
      .when(markRead)
      .then([read(2)]);
  });
  it('grows with the conversation', () => {
    given([opened, attached(), read(1), attached({ messageId: 'm2' })])
      .when(markRead)
      .then([read(2)]);
  });
  it('can be taken back, once', () => {
    given([opened, attached(), read(1)])
      .when(markUnread)
      .then([{ type: 'ConversationMarkedUnread', data: { ...inMailbox, agentId: 'ana' } }]);
    given([opened, attached()]).when(markUnread).thenNothing();
  });
});

describe('a note', () => {
  it('is added, once', () => {
    given([opened]).when(new AddNote(note, by)).then([noted]);
  });
});

describe('a conversation that cannot be worked on', () => {
  const agentCommands = [
    assign('ana'),
    unassign,
    changeStatus('resolved'),
    markRead,
    markUnread,
    new AddNote(note, by),
  ];
  it.each(agentCommands)('sends $type on an alias to the canonical conversation', (command) => {
    given([opened, merged]).when(command).thenRejectedWith('CONVERSATION_MERGED', { into: 'c2' });
  });
  it.each([...agentCommands, attach()])('refuses $type when nobody opened it', (command) => {
    given([]).when(command).thenRejectedWith('CONVERSATION_NOT_FOUND');
  });
});
