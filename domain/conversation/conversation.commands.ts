import type { Command, CommandMetadata } from '../decider';
import type { ConversationStatus, MessageAttached, NoteAdded } from './conversation.events';

// Plain classes, so that a command bus can route them by constructor while the domain imports no framework.

interface OfConversation {
  readonly conversationId: string;
}

/** Also opens again what had become another name of a conversation, when later mail shows that it stands alone. */
export class OpenConversation implements Command<'OpenConversation'> {
  readonly type = 'OpenConversation';
  constructor(
    readonly data: OfConversation & {
      readonly mailboxId: string;
      readonly rootNodeId: string;
      readonly openedAt: string;
      readonly subject: string;
    },
    readonly metadata: CommandMetadata,
  ) {}
}

/** A message that only `moved` here from another conversation is no news: it wakes nobody. */
export class AttachMessage implements Command<'AttachMessage'> {
  readonly type = 'AttachMessage';
  constructor(
    readonly data: OfConversation &
      Omit<MessageAttached['data'], 'conversationId' | 'mailboxId'> & { readonly moved: boolean },
    readonly metadata: CommandMetadata,
  ) {}
}

/** `to` is the conversation that has the message by now. */
export class DetachMessage implements Command<'DetachMessage'> {
  readonly type = 'DetachMessage';
  constructor(
    readonly data: OfConversation & { readonly messageId: string; readonly to: string },
    readonly metadata: CommandMetadata,
  ) {}
}

export class MergeConversation implements Command<'MergeConversation'> {
  readonly type = 'MergeConversation';
  constructor(
    readonly data: OfConversation & { readonly into: string },
    readonly metadata: CommandMetadata,
  ) {}
}

export class AssignConversation implements Command<'AssignConversation'> {
  readonly type = 'AssignConversation';
  constructor(
    readonly data: OfConversation & {
      readonly assigneeId: string;
      readonly cause: 'manual' | 'auto' | 'merge';
    },
    readonly metadata: CommandMetadata,
  ) {}
}

export class UnassignConversation implements Command<'UnassignConversation'> {
  readonly type = 'UnassignConversation';
  constructor(
    readonly data: OfConversation,
    readonly metadata: CommandMetadata,
  ) {}
}

export class ChangeStatus implements Command<'ChangeStatus'> {
  readonly type = 'ChangeStatus';
  constructor(
    readonly data: OfConversation & {
      readonly status: ConversationStatus;
      readonly cause: 'agent' | 'merge';
    },
    readonly metadata: CommandMetadata,
  ) {}
}

/** The agent has seen all messages that the conversation holds when this is decided. */
export class MarkRead implements Command<'MarkRead'> {
  readonly type = 'MarkRead';
  constructor(
    readonly data: OfConversation & { readonly agentId: string },
    readonly metadata: CommandMetadata,
  ) {}
}

export class MarkUnread implements Command<'MarkUnread'> {
  readonly type = 'MarkUnread';
  constructor(
    readonly data: OfConversation & { readonly agentId: string },
    readonly metadata: CommandMetadata,
  ) {}
}

/** The same `noteId` again is the same note. */
export class AddNote implements Command<'AddNote'> {
  readonly type = 'AddNote';
  constructor(
    readonly data: OfConversation & Omit<NoteAdded['data'], 'conversationId' | 'mailboxId'>,
    readonly metadata: CommandMetadata,
  ) {}
}

export type ConversationCommand =
  | OpenConversation
  | AttachMessage
  | DetachMessage
  | MergeConversation
  | AssignConversation
  | UnassignConversation
  | ChangeStatus
  | MarkRead
  | MarkUnread
  | AddNote;
