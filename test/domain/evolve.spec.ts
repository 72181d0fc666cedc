import fc from 'fast-check';
import { conversation } from '../../domain/conversation/conversation';
import type { ConversationEvent } from '../../domain/conversation/conversation.events';
import { mailbox } from '../../domain/mailbox/mailbox';
import type { MailboxEvent } from '../../domain/mailbox/mailbox.events';
import { message } from '../../domain/message/message';
import type { MessageEvent } from '../../domain/message/message.events';
import { tenant } from '../../domain/tenant/tenant';
import type { TenantEvent } from '../../domain/tenant/tenant.events';
import { thread } from '../../domain/thread/thread';
import type { ThreadEvent } from '../../domain/thread/thread.events';
import { user } from '../../domain/user/user';
import type { UserEvent } from '../../domain/user/user.events';
import { at } from '../support/commands';
import { parked, received, submitted } from '../support/message-builders';

// A fold that throws locks its stream for good, so every decider must replay what no decider would have written.
const id = fc.constantFrom('1', '2', '3');
const status = fc.constantFrom('open', 'pending', 'resolved', 'spam', 'trash');
const role = fc.constantFrom('owner', 'agent');
const policy = fc.constantFrom('references', 'references-and-subject');
const inMailbox = { conversationId: id, mailboxId: id };

function event(type: string, data: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> {
  return fc.record({ type: fc.constant(type), data: fc.record(data) });
}
const fixed = (type: string, data: object) => fc.constant({ type, data });

const conversationEvents = fc.oneof(
  event('ConversationOpened', { ...inMailbox, rootNodeId: id, openedAt: fc.constant(at), subject: id }),
  event('MessageAttached', { ...inMailbox, messageId: id, parentMessageId: fc.option(id) }),
  event('MessageDetached', { ...inMailbox, messageId: id, to: id }),
  event('ConversationMerged', { ...inMailbox, into: id }),
  event('ConversationStatusChanged', { ...inMailbox, from: status, to: status }),
  event('ConversationAssigned', { ...inMailbox, assigneeId: id, previousAssigneeId: fc.option(id) }),
  event('ConversationUnassigned', { ...inMailbox, previousAssigneeId: id }),
  event('ConversationRead', { ...inMailbox, agentId: id, messageCount: fc.nat(3) }),
  event('ConversationMarkedUnread', { ...inMailbox, agentId: id }),
  event('NoteAdded', { ...inMailbox, noteId: id, text: id }),
) as fc.Arbitrary<ConversationEvent>;

const tenantEvents = fc.oneof(
  event('TenantRegistered', { tenantId: id, name: id, timeZone: id }),
  event('ApiKeyIssued', { tenantId: id, apiKeyId: id, name: id, keyHash: id, expiresAt: fc.option(id) }),
  event('ApiKeyRevoked', { tenantId: id, apiKeyId: id }),
) as fc.Arbitrary<TenantEvent>;

const userEvents = fc.oneof(
  event('UserInvited', { userId: id, name: id, email: id, role }),
  event('UserActivated', { userId: id }),
  event('UserDeactivated', { userId: id, reason: id }),
  event('UserRoleChanged', { userId: id, from: role, to: role }),
) as fc.Arbitrary<UserEvent>;

const mailboxEvents = fc.oneof(
  event('MailboxConnected', { mailboxId: id, name: id, address: id, threadingPolicy: policy }),
  event('MailboxThreadingPolicyChanged', { mailboxId: id, from: policy, to: policy }),
) as fc.Arbitrary<MailboxEvent>;

const messageEvents = fc.oneof(
  fixed('MessageContentStored', { chunk: 0, bytes: Uint8Array.of() }),
  fixed('MessageReceived', received()),
  fixed('MessageSubmitted', submitted()),
  fixed('MessageParked', parked()),
) as fc.Arbitrary<MessageEvent>;

const threadEvents = fc.oneof(
  event('ThreadMemberAdded', { threadId: id, mailboxId: id, member: fc.record({ messageId: id }) }),
  event('ThreadsMerged', { threadId: id, mailboxId: id, into: id }),
) as fc.Arbitrary<ThreadEvent>;

describe('replaying events in any order', () => {
  it.each([
    ['conversation', conversation, conversationEvents],
    ['tenant', tenant, tenantEvents],
    ['user', user, userEvents],
    ['mailbox', mailbox, mailboxEvents],
    ['message', message, messageEvents],
    ['thread', thread, threadEvents],
  ] as [string, { initialState: object; evolve(s: unknown, e: unknown): object }, fc.Arbitrary<unknown>][])(
    '%s gives a state and never throws',
    (_name, decider, events) => {
      fc.assert(
        fc.property(fc.array(events, { maxLength: 30 }), (history) => {
          const state = history.reduce<object>((s, e) => decider.evolve(s, e), decider.initialState);
          expect(Object.keys(state).length).toBeGreaterThan(0);
        }),
      );
    },
  );
});
