import { z } from 'zod';
import type { MailfoldEvent } from '../../../domain/catalogue.events';

// What the data of each event type must look like once it is unsealed, for every schema version ever stored. A version
// that is stored stays as it is for ever (test/golden holds its shape and a sample): whoever changes an event's interface
// raises its version, moves the shape it had to `pastShapes` and writes an upcaster.

type Type = MailfoldEvent['type'];
type DataOf<T extends Type> = Extract<MailfoldEvent, { type: T }>['data'];

const id = z.guid();
const text = z.string();
const count = z.int().min(0);
/** ISO-8601 in UTC. */
const instant = z.iso.datetime();
const { strictObject, array, boolean, enum: oneOf } = z;

const threadingPolicy = oneOf(['references', 'references-and-subject']);
const role = oneOf(['owner', 'admin', 'agent', 'viewer']);
const messageType = oneOf(['email', 'bounce', 'auto_reply']);
const status = oneOf(['open', 'pending', 'resolved', 'spam', 'trash']);
const addresses = array(strictObject({ name: text.nullable(), address: text }));

const content = strictObject({
  streamName: text,
  storageKey: text,
  chunks: count,
  compression: oneOf(['gzip', 'none']),
  rawSize: count,
  sha256: text,
});
const inMailbox = { conversationId: id, mailboxId: id };
const ofMessage = { messageId: id, mailboxId: id, content, parserVersion: count };
const envelope = { from: addresses, to: addresses, cc: addresses, subject: text, preview: text };

/** Of the versions that `currentSchemaVersions` names; the compiler holds each against its interface. */
export const currentShapes = {
  TenantRegistered: strictObject({ tenantId: id, name: text, timeZone: text }),
  ApiKeyIssued: strictObject({
    ...{ tenantId: id, apiKeyId: id, name: text, keyHash: text },
    expiresAt: instant.nullable(),
  }),
  ApiKeyRevoked: strictObject({ tenantId: id, apiKeyId: id }),

  UserInvited: strictObject({ userId: id, name: text, email: text, role }),
  UserActivated: strictObject({ userId: id }),
  UserDeactivated: strictObject({ userId: id, reason: text }),
  UserRoleChanged: strictObject({ userId: id, from: role, to: role }),

  MailboxConnected: strictObject({ mailboxId: id, name: text, address: text, threadingPolicy }),
  MailboxThreadingPolicyChanged: strictObject({ mailboxId: id, from: threadingPolicy, to: threadingPolicy }),

  MessageContentStored: strictObject({ chunk: count, bytes: z.instanceof(Uint8Array) }),
  MessageReceived: strictObject({
    ...{
      ...ofMessage,
      ...envelope,
      threadNodeId: id,
      ancestorNodeIds: array(id),
      subjectNodeId: id.nullable(),
    },
    ...{ isReplySubject: boolean(), fingerprint: text, messageType, autoSubmitted: boolean() },
    ...{ sentAt: instant.nullable(), receivedAt: instant, attachmentCount: count },
  }),
  MessageSubmitted: strictObject({
    ...{ ...ofMessage, ...envelope, threadNodeId: id, ancestorNodeIds: array(id), conversationId: id },
    ...{
      authorId: id,
      fingerprint: text,
      submittedAt: instant,
      attachmentCount: count,
      headerMessageId: text,
    },
  }),
  MessageParked: strictObject({ ...ofMessage, reason: text, detail: text, receivedAt: instant }),

  ThreadMemberAdded: strictObject({
    ...{ threadId: id, mailboxId: id },
    member: strictObject({
      ...{ messageId: id, nodeId: id, ancestorNodeIds: array(id), subjectNodeId: id.nullable() },
      ...{ isReplySubject: boolean(), sentAt: instant.nullable() },
    }),
  }),
  ThreadsMerged: strictObject({ threadId: id, mailboxId: id, into: id }),

  ConversationOpened: strictObject({ ...inMailbox, rootNodeId: id, openedAt: instant, subject: text }),
  MessageAttached: strictObject({
    ...{ ...inMailbox, messageId: id, direction: oneOf(['inbound', 'outbound']), messageType },
    ...{ parentMessageId: id.nullable(), at: instant, from: text, preview: text },
  }),
  MessageDetached: strictObject({ ...inMailbox, messageId: id, to: id }),
  ConversationMerged: strictObject({ ...inMailbox, into: id }),
  ConversationStatusChanged: strictObject({
    ...{ ...inMailbox, from: status, to: status, cause: oneOf(['agent', 'reply', 'merge']) },
  }),
  ConversationAssigned: strictObject({
    ...{ ...inMailbox, assigneeId: id, previousAssigneeId: id.nullable() },
    cause: oneOf(['manual', 'auto', 'merge']),
  }),
  ConversationUnassigned: strictObject({ ...inMailbox, previousAssigneeId: id }),
  ConversationRead: strictObject({ ...inMailbox, agentId: id, messageCount: count }),
  ConversationMarkedUnread: strictObject({ ...inMailbox, agentId: id }),
  NoteAdded: strictObject({
    ...{ ...inMailbox, noteId: id, authorId: id, addedAt: instant, text, cause: oneOf(['agent', 'merge']) },
  }),

  CommandAccepted: strictObject({ commandId: id, route: text }),
} satisfies { readonly [T in Type]: z.ZodType<DataOf<T>> };

/** Of versions that are no longer written, `pastShapes[type][version]`; types that are no longer written as well. */
export const pastShapes: Readonly<Record<string, Readonly<Record<number, z.ZodType>>>> = {};

/** What is wrong with the data of an event. */
export interface ShapeFault {
  /** `content.chunks`; empty for the data as a whole. */
  readonly path: string;
  readonly message: string;
  /** A field that the version does not have. A fold takes no notice of it, so it is no reason to park the event. */
  readonly isExcess: boolean;
}

export function shapeFaults(shape: z.ZodType, data: unknown): ShapeFault[] {
  const result = shape.safeParse(data);
  return (result.error?.issues ?? []).map(({ path, message, code }) => ({
    path: path.join('.'),
    message,
    isExcess: code === 'unrecognized_keys',
  }));
}
