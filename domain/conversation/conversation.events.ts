import type { Event, SealedFields } from '../event';

// Stored for ever. Never rename a type or change a field's meaning: add a new event and upcast the old one.

export type ConversationStatus = 'open' | 'pending' | 'resolved' | 'spam' | 'trash';

/** On every event, so that a fold can route by mailbox without knowing the conversation's past. */
interface InMailbox {
  readonly conversationId: string;
  readonly mailboxId: string;
}

export type ConversationOpened = Event<
  'ConversationOpened',
  InMailbox & { rootNodeId: string; openedAt: string; subject: string }
>;

export type MessageAttached = Event<
  'MessageAttached',
  InMailbox & {
    messageId: string;
    direction: 'inbound' | 'outbound';
    messageType: 'email' | 'bounce' | 'auto_reply';
    parentMessageId: string | null;
    /** When it came in or was submitted, ISO-8601. */
    at: string;
    from: string;
    preview: string;
  }
>;

/** The message was found to belong elsewhere; `to` is the conversation that has it now. */
export type MessageDetached = Event<'MessageDetached', InMailbox & { messageId: string; to: string }>;

/** All messages have moved: this conversation is from now on another name of `into`. */
export type ConversationMerged = Event<'ConversationMerged', InMailbox & { into: string }>;

export type ConversationStatusChanged = Event<
  'ConversationStatusChanged',
  InMailbox & { from: ConversationStatus; to: ConversationStatus; cause: 'agent' | 'reply' | 'merge' }
>;
export type ConversationAssigned = Event<
  'ConversationAssigned',
  InMailbox & { assigneeId: string; previousAssigneeId: string | null; cause: 'manual' | 'auto' | 'merge' }
>;
export type ConversationUnassigned = Event<
  'ConversationUnassigned',
  InMailbox & { previousAssigneeId: string }
>;

/** `messageCount` is how many messages the agent has now seen: what comes later is unread for them (C-28). */
export type ConversationRead = Event<
  'ConversationRead',
  InMailbox & { agentId: string; messageCount: number }
>;
export type ConversationMarkedUnread = Event<'ConversationMarkedUnread', InMailbox & { agentId: string }>;

export type NoteAdded = Event<
  'NoteAdded',
  InMailbox & { noteId: string; authorId: string; addedAt: string; text: string; cause: 'agent' | 'merge' }
>;

export type ConversationEvent =
  | ConversationOpened
  | MessageAttached
  | MessageDetached
  | ConversationMerged
  | ConversationStatusChanged
  | ConversationAssigned
  | ConversationUnassigned
  | ConversationRead
  | ConversationMarkedUnread
  | NoteAdded;

export const conversationSealedFields: SealedFields<ConversationEvent> = {
  ConversationOpened: { subject: '[erased]' },
  MessageAttached: { from: '[erased]', preview: '' },
  NoteAdded: { text: '[erased]' },
};
