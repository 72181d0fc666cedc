import { createHash } from 'node:crypto';
import type { MailfoldEvent } from '../../domain/catalogue.events';
import { AcceptCommand } from '../../domain/command/command.commands';
import { command } from '../../domain/command/command';
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
import type { CommandMetadata, Decider } from '../../domain/decider';
import { ChangeThreadingPolicy, ConnectMailbox } from '../../domain/mailbox/mailbox.commands';
import { mailbox } from '../../domain/mailbox/mailbox';
import { ParkMessage, ReceiveMessage, SubmitMessage } from '../../domain/message/message.commands';
import { message } from '../../domain/message/message';
import { streamName, type Category } from '../../domain/stream-name';
import { RegisterTenant, RevokeApiKey } from '../../domain/tenant/tenant.commands';
import { tenant } from '../../domain/tenant/tenant';
import { AddThreadMembers, MergeThreads } from '../../domain/thread/thread.commands';
import { thread } from '../../domain/thread/thread';
import { ChangeUserRole, DeactivateUser, InviteUser } from '../../domain/user/user.commands';
import { user } from '../../domain/user/user';

/** An event as a decider writes it today. */
export interface ToldEvent {
  readonly streamName: string;
  readonly event: MailfoldEvent;
}

export const tenantId = '00000000-0000-4000-8000-000000000001';
const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
const [ana, helpDesk, apiKeyId] = [id(10), id(20), id(30)];
const [question, answer, unreadable] = [id(41), id(42), id(43)];
const [about, elsewhere, thisThread, otherThread] = [id(51), id(52), id(62), id(61)];
const at = '2026-03-01T10:00:00.000Z';
const sha256 = (bytes: string): string => createHash('sha256').update(bytes).digest('hex');

const by: CommandMetadata = { tenantId, commandId: id(99), actor: { kind: 'user', id: ana }, now: at };
const mail = [
  ...['From: Cara <cara@customer.example>', 'To: Help <help@acme.example>', 'Subject: Where is my order?'],
  ...['Message-ID: <question@customer.example>', 'Date: Sun, 01 Mar 2026 09:59:00 +0000'],
  ...['', 'It should have come on Friday.', ''],
].join('\r\n');

const content = (messageId: string, raw: string, chunks: number) => ({
  streamName: streamName(chunks === 0 ? 'content' : 'message', tenantId, messageId),
  ...{ storageKey: `raw/${messageId}`, chunks: Math.max(chunks, 1), compression: 'none' as const },
  ...{ rawSize: Buffer.byteLength(raw), sha256: sha256(raw) },
});
const cara = { name: 'Cara', address: 'cara@customer.example' };
const help = { name: null, address: 'help@acme.example' };
const place = { mailboxId: helpDesk, attachmentCount: 0, parserVersion: 1 };

/**
 * One tenant's short life, told by its deciders: every type of event once. What they write of it today must look as the
 * samples say that were stored when its version was new.
 */
export function story(): ToldEvent[] {
  return [...ofTheTeam(), ...ofTheMail(), ...ofTheConversation()];
}

function ofTheTeam(): ToldEvent[] {
  const apiKey = { apiKeyId, name: 'import', keyHash: sha256('key'), expiresAt: '2027-03-01T00:00:00.000Z' };
  const policies = { before: 'references', after: 'references-and-subject' } as const;
  return [
    ...told('tenant', tenantId, tenant, [
      new RegisterTenant({ tenantId, name: 'Acme', timeZone: 'Europe/Berlin', apiKey }, by),
      new RevokeApiKey({ apiKeyId }, by),
    ]),
    ...told('user', ana, user, [
      new InviteUser({ userId: ana, name: 'Ana', email: 'ana@acme.example', role: 'agent' }, by),
      new ChangeUserRole({ userId: ana, role: 'admin' }, by),
      new DeactivateUser({ userId: ana, reason: 'left the team' }, by),
    ]),
    ...told('mailbox', helpDesk, mailbox, [
      new ConnectMailbox(
        { mailboxId: helpDesk, name: 'Help', address: help.address, threadingPolicy: policies.before },
        by,
      ),
      new ChangeThreadingPolicy({ mailboxId: helpDesk, threadingPolicy: policies.after }, by),
    ]),
    ...told('command', by.commandId, command, [
      new AcceptCommand({ commandId: by.commandId, route: 'POST /v1/mailboxes' }, by),
    ]),
  ];
}

function ofTheMail(): ToldEvent[] {
  const received = {
    ...{ ...place, messageId: question, threadNodeId: question, ancestorNodeIds: [], subjectNodeId: id(70) },
    ...{ isReplySubject: false, fingerprint: sha256('question'), messageType: 'email' as const },
    ...{ autoSubmitted: false, sentAt: '2026-03-01T09:59:00.000Z', receivedAt: at },
    ...{ content: content(question, mail, 1), from: [cara], to: [help], cc: [] },
    ...{ subject: 'Where is my order?', preview: 'It should have come on Friday.' },
  };
  const submitted = {
    ...{ ...place, messageId: answer, threadNodeId: answer, ancestorNodeIds: [question] },
    ...{ conversationId: about, authorId: ana, fingerprint: sha256('answer'), submittedAt: at },
    ...{ content: content(answer, 'answer', 0), headerMessageId: 'answer@acme.example' },
    ...{ from: [help], to: [cara], cc: [], subject: 'Re: Where is my order?', preview: 'On its way.' },
  };
  const parked = {
    ...{ messageId: unreadable, mailboxId: helpDesk, reason: 'not-mime', detail: 'no header field' },
    ...{ receivedAt: at, content: content(unreadable, 'noise', 0), parserVersion: 1 },
  };
  const members = [
    {
      ...{ messageId: question, nodeId: question, ancestorNodeIds: [answer], subjectNodeId: id(70) },
      ...{ isReplySubject: false, sentAt: '2026-03-01T09:59:00.000Z' },
    },
  ];
  return [
    ...told('message', question, message, [
      new ReceiveMessage({ chunks: [Buffer.from(mail)], message: received }, by),
    ]),
    ...told('message', answer, message, [new SubmitMessage({ chunks: [], message: submitted }, by)]),
    ...told('message', unreadable, message, [new ParkMessage({ chunks: [], message: parked }, by)]),
    ...told('thread', thisThread, thread, [
      new AddThreadMembers({ threadId: thisThread, mailboxId: helpDesk, members }, by),
      new MergeThreads({ threadId: thisThread, mailboxId: helpDesk, into: otherThread }, by),
    ]),
  ];
}

function ofTheConversation(): ToldEvent[] {
  const conversationId = about;
  const opened = { mailboxId: helpDesk, rootNodeId: question, openedAt: at, subject: 'Where is my order?' };
  const attached = {
    ...{ messageId: question, direction: 'inbound' as const, messageType: 'email' as const, at },
    ...{ parentMessageId: null, from: cara.address, preview: 'It should have come on Friday.', moved: false },
  };
  const note = {
    noteId: id(80),
    authorId: ana,
    addedAt: at,
    text: 'Ask the depot.',
    cause: 'agent' as const,
  };
  return told('conversation', about, conversation, [
    new OpenConversation({ conversationId, ...opened }, by),
    new AttachMessage({ conversationId, ...attached }, by),
    new AssignConversation({ conversationId, assigneeId: ana, cause: 'manual' }, by),
    new MarkRead({ conversationId, agentId: ana }, by),
    new MarkUnread({ conversationId, agentId: ana }, by),
    new AddNote({ conversationId, ...note }, by),
    new UnassignConversation({ conversationId }, by),
    new ChangeStatus({ conversationId, status: 'pending', cause: 'agent' }, by),
    new DetachMessage({ conversationId, messageId: question, to: elsewhere }, by),
    new MergeConversation({ conversationId, into: elsewhere }, by),
  ]);
}

/** The events that the commands, one after the other, cause in one stream. */
function told<State, C, E extends MailfoldEvent>(
  category: Category,
  entityId: string,
  decider: Decider<State, C, E>,
  commands: readonly C[],
): ToldEvent[] {
  let state = decider.initialState;
  return commands.flatMap((each) => {
    const events = decider.decide(each, state);
    state = events.reduce((before, event) => decider.evolve(before, event), state);
    return events.map((event) => ({ streamName: streamName(category, tenantId, entityId), event }));
  });
}
