import { conversationSealedFields, type ConversationEvent } from './conversation/conversation.events';
import { mailboxSealedFields, type MailboxEvent } from './mailbox/mailbox.events';
import { messageSealedFields, type MessageEvent } from './message/message.events';
import { tenantSealedFields, type TenantEvent } from './tenant/tenant.events';
import type { ThreadEvent } from './thread/thread.events';
import { userSealedFields, type UserEvent } from './user/user.events';

/** Reserves an Idempotency-Key whose command writes to a stream that the key does not name (architecture.md §3). */
export type CommandAccepted = {
  readonly type: 'CommandAccepted';
  readonly data: { commandId: string; route: string };
};

/** Every fact the log can hold. */
export type MailfoldEvent =
  TenantEvent | UserEvent | MailboxEvent | MessageEvent | ThreadEvent | ConversationEvent | CommandAccepted;

/**
 * Every type ever stored, with its current schema version. A type that is missing here is parked by its readers,
 * never skipped; a type listed here stays for ever.
 */
export const currentSchemaVersions: Readonly<Record<MailfoldEvent['type'], number>> = {
  TenantRegistered: 1,
  ApiKeyIssued: 1,
  ApiKeyRevoked: 1,
  UserInvited: 1,
  UserActivated: 1,
  UserDeactivated: 1,
  UserRoleChanged: 1,
  MailboxConnected: 1,
  MailboxThreadingPolicyChanged: 1,
  MessageContentStored: 1,
  MessageReceived: 1,
  MessageSubmitted: 1,
  MessageParked: 1,
  ThreadMemberAdded: 1,
  ThreadsMerged: 1,
  ConversationOpened: 1,
  MessageAttached: 1,
  MessageDetached: 1,
  ConversationMerged: 1,
  ConversationStatusChanged: 1,
  ConversationAssigned: 1,
  ConversationUnassigned: 1,
  ConversationRead: 1,
  ConversationMarkedUnread: 1,
  NoteAdded: 1,
  CommandAccepted: 1,
};

export const sealedFields = {
  ...tenantSealedFields,
  ...userSealedFields,
  ...mailboxSealedFields,
  ...messageSealedFields,
  ...conversationSealedFields,
} as const;
