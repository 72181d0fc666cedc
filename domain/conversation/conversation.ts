import type { Decider } from '../decider';
import { DomainError } from '../domain-error';
import type {
  AddNote,
  AssignConversation,
  AttachMessage,
  ChangeStatus,
  ConversationCommand,
  DetachMessage,
  MarkRead,
  MarkUnread,
  MergeConversation,
  OpenConversation,
  UnassignConversation,
} from './conversation.commands';
import type {
  ConversationEvent,
  ConversationStatus,
  ConversationStatusChanged,
  MessageAttached,
  NoteAdded,
} from './conversation.events';

export type Conversation =
  | { readonly kind: 'absent' }
  | LiveConversation
  /** Another name of the conversation `into`: every message has moved there. */
  | { readonly kind: 'merged'; readonly conversationId: string; readonly into: string };

export interface LiveConversation {
  readonly kind: 'live';
  readonly conversationId: string;
  readonly mailboxId: string;
  readonly rootNodeId: string;
  readonly openedAt: string;
  readonly subject: string;
  readonly status: ConversationStatus;
  readonly assigneeId: string | null;
  readonly messages: ReadonlyMap<string, MessageAttached['data']>;
  /** By agent, how many messages they have seen. */
  readonly reads: ReadonlyMap<string, number>;
  readonly notes: ReadonlyMap<string, NoteAdded['data']>;
}

export type ConversationErrorCode =
  | 'CONVERSATION_NOT_FOUND'
  | 'CONVERSATION_MERGED'
  | 'CONVERSATION_NOT_ASSIGNABLE'
  | 'CONVERSATION_STATUS_REFUSED'
  | 'CONVERSATION_NOT_EMPTY';

/** The command named an alias; `into` is the next conversation to ask, which may itself be an alias by now. */
export class ConversationMergedError extends DomainError<'CONVERSATION_MERGED'> {
  constructor(readonly into: string) {
    super('CONVERSATION_MERGED', `This conversation has become part of ${into}`);
  }
}

export class StatusRefusedError extends DomainError<'CONVERSATION_STATUS_REFUSED'> {
  constructor(
    from: ConversationStatus,
    to: ConversationStatus,
    readonly allowed: readonly ConversationStatus[],
  ) {
    super('CONVERSATION_STATUS_REFUSED', `From ${from} to ${to} is no step; allowed: ${allowed.join(', ')}`);
  }
}

/** Spam and trash are left by the front door: what comes out of them is looked at again before it is resolved. */
const statusSteps: Readonly<Record<ConversationStatus, readonly ConversationStatus[]>> = {
  open: ['pending', 'resolved', 'spam', 'trash'],
  pending: ['open', 'resolved', 'spam', 'trash'],
  resolved: ['open', 'pending', 'spam', 'trash'],
  spam: ['open', 'trash'],
  trash: ['open', 'spam'],
};

export const conversation: Decider<Conversation, ConversationCommand, ConversationEvent> = {
  initialState: { kind: 'absent' },
  decide(command, state) {
    switch (command.type) {
      case 'OpenConversation':
        return open(command, state);
      case 'AttachMessage':
        return attach(command, live(state));
      case 'DetachMessage':
        return detach(command, state);
      case 'MergeConversation':
        return merge(command, state);
      case 'AssignConversation':
        return assign(command, live(state));
      case 'UnassignConversation':
        return unassign(command, live(state));
      case 'ChangeStatus':
        return changeStatus(command, live(state));
      case 'MarkRead':
        return markRead(command, live(state));
      case 'MarkUnread':
        return markUnread(command, live(state));
      case 'AddNote':
        return addNote(command, live(state));
    }
  },
  // Replays history that already happened: it never throws and never reads a clock.
  evolve(state, event) {
    if (event.type === 'ConversationOpened') {
      return {
        kind: 'live',
        ...event.data,
        status: 'open',
        assigneeId: null,
        messages: new Map(),
        reads: new Map(),
        notes: new Map(),
      };
    }
    if (event.type === 'ConversationMerged') {
      return { kind: 'merged', conversationId: event.data.conversationId, into: event.data.into };
    }
    return state.kind === 'live' ? evolveLive(state, event) : state;
  },
};

function evolveLive(
  state: LiveConversation,
  event: Exclude<ConversationEvent, { type: 'ConversationOpened' | 'ConversationMerged' }>,
): Conversation {
  switch (event.type) {
    case 'MessageAttached':
      return { ...state, messages: withEntry(state.messages, event.data.messageId, event.data) };
    case 'MessageDetached':
      return { ...state, messages: withoutEntry(state.messages, event.data.messageId) };
    case 'ConversationStatusChanged':
      return { ...state, status: event.data.to };
    case 'ConversationAssigned':
      return { ...state, assigneeId: event.data.assigneeId };
    case 'ConversationUnassigned':
      return { ...state, assigneeId: null };
    case 'ConversationRead':
      return { ...state, reads: withEntry(state.reads, event.data.agentId, event.data.messageCount) };
    case 'ConversationMarkedUnread':
      return { ...state, reads: withoutEntry(state.reads, event.data.agentId) };
    case 'NoteAdded':
      return { ...state, notes: withEntry(state.notes, event.data.noteId, event.data) };
  }
}

function open({ data }: OpenConversation, state: Conversation): ConversationEvent[] {
  if (state.kind === 'live') return [];
  const { conversationId, mailboxId, rootNodeId, openedAt, subject } = data;
  return [{ type: 'ConversationOpened', data: { conversationId, mailboxId, rootNodeId, openedAt, subject } }];
}

function attach({ data }: AttachMessage, state: LiveConversation): ConversationEvent[] {
  const { moved, ...message } = data;
  if (state.messages.has(message.messageId)) return [];
  const attached: MessageAttached = {
    type: 'MessageAttached',
    data: { ...message, mailboxId: state.mailboxId },
  };
  return !moved && wakes(message, state.status)
    ? [attached, statusChanged(state, 'open', 'reply')]
    : [attached];
}

/** A vacation notice is no answer: it must not bring back what an agent has closed. */
function wakes(
  { direction, messageType }: Pick<MessageAttached['data'], 'direction' | 'messageType'>,
  status: ConversationStatus,
): boolean {
  const isAnswer = direction === 'inbound' && messageType !== 'auto_reply';
  return isAnswer && (status === 'resolved' || status === 'pending');
}

function detach({ data }: DetachMessage, state: Conversation): ConversationEvent[] {
  // An alias has given away all it had, so a repeated request finds its work done.
  if (state.kind === 'merged') return [];
  const { conversationId, mailboxId, messages } = live(state);
  const { messageId, to } = data;
  if (!messages.has(messageId)) return [];
  return [{ type: 'MessageDetached', data: { conversationId, mailboxId, messageId, to } }];
}

function merge({ data: { into } }: MergeConversation, state: Conversation): ConversationEvent[] {
  if (state.kind === 'merged' && state.into === into) return [];
  const { conversationId, mailboxId, messages } = live(state);
  if (messages.size > 0) {
    throw new DomainError<ConversationErrorCode>(
      'CONVERSATION_NOT_EMPTY',
      'A conversation that still has messages cannot become an alias',
    );
  }
  return [{ type: 'ConversationMerged', data: { conversationId, mailboxId, into } }];
}

function assign({ data }: AssignConversation, state: LiveConversation): ConversationEvent[] {
  const { conversationId, mailboxId, assigneeId: previousAssigneeId } = state;
  const { assigneeId, cause } = data;
  if (assigneeId === previousAssigneeId) return [];
  // A merge keeps what the agents had decided, whatever came of the conversation since.
  if (cause !== 'merge') requireAssignable(state);
  return [
    {
      type: 'ConversationAssigned',
      data: { conversationId, mailboxId, assigneeId, previousAssigneeId, cause },
    },
  ];
}

function unassign(_command: UnassignConversation, state: LiveConversation): ConversationEvent[] {
  const { conversationId, mailboxId, assigneeId: previousAssigneeId } = state;
  if (previousAssigneeId === null) return [];
  requireAssignable(state);
  return [{ type: 'ConversationUnassigned', data: { conversationId, mailboxId, previousAssigneeId } }];
}

function changeStatus(
  { data: { status, cause } }: ChangeStatus,
  state: LiveConversation,
): ConversationEvent[] {
  if (status === state.status) return [];
  const allowed = statusSteps[state.status];
  if (cause === 'agent' && !allowed.includes(status)) {
    throw new StatusRefusedError(state.status, status, allowed);
  }
  return [statusChanged(state, status, cause)];
}

function markRead({ data: { agentId } }: MarkRead, state: LiveConversation): ConversationEvent[] {
  const { conversationId, mailboxId, messages, reads } = state;
  if (reads.get(agentId) === messages.size) return [];
  return [
    {
      type: 'ConversationRead',
      data: { conversationId, mailboxId, agentId, messageCount: messages.size },
    },
  ];
}

function markUnread({ data: { agentId } }: MarkUnread, state: LiveConversation): ConversationEvent[] {
  const { conversationId, mailboxId, reads } = state;
  if (!reads.has(agentId)) return [];
  return [{ type: 'ConversationMarkedUnread', data: { conversationId, mailboxId, agentId } }];
}

function addNote({ data }: AddNote, state: LiveConversation): ConversationEvent[] {
  if (state.notes.has(data.noteId)) return [];
  return [{ type: 'NoteAdded', data: { ...data, mailboxId: state.mailboxId } }];
}

function live(state: Conversation): LiveConversation {
  switch (state.kind) {
    case 'live':
      return state;
    case 'merged':
      throw new ConversationMergedError(state.into);
    case 'absent':
      throw new DomainError<ConversationErrorCode>('CONVERSATION_NOT_FOUND', 'There is no such conversation');
  }
}

function requireAssignable({ status }: LiveConversation): void {
  if (status === 'open' || status === 'pending') return;
  throw new DomainError<ConversationErrorCode>(
    'CONVERSATION_NOT_ASSIGNABLE',
    `Only an open or pending conversation has an assignee to change; this one is ${status}`,
  );
}

function statusChanged(
  { conversationId, mailboxId, status: from }: LiveConversation,
  to: ConversationStatus,
  cause: ConversationStatusChanged['data']['cause'],
): ConversationStatusChanged {
  return { type: 'ConversationStatusChanged', data: { conversationId, mailboxId, from, to, cause } };
}

function withEntry<V>(map: ReadonlyMap<string, V>, key: string, value: V): ReadonlyMap<string, V> {
  return new Map(map).set(key, value);
}

function withoutEntry<V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> {
  const rest = new Map(map);
  rest.delete(key);
  return rest;
}
