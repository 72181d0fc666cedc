import { conversation, type Conversation } from '../../domain/conversation/conversation';
import type { ConversationEvent } from '../../domain/conversation/conversation.events';
import { DomainError } from '../../domain/domain-error';
import { ReceiveMessage } from '../../domain/message/message.commands';
import { parseStreamName, streamName } from '../../domain/stream-name';
import { message } from '../../domain/message/message';
import type { MessageReceived } from '../../domain/message/message.events';
import { handleCommand } from '../../apps/shared/event-store/handle-command';
import type { EventStore } from '../../apps/shared/event-store/event-store';
import { tenantIds, type TenantIds } from '../../apps/shared/ids/tenant-ids';
import { createdId, eventId } from '../../apps/shared/ids/uuid-v5';
import { isMessageFact } from '../../apps/shared/threading/message-fact';
import { threadMessage, type ThreadedMessage } from '../../apps/shared/threading/thread-message';
import { at, by } from './commands';
import type { ForestMail } from './mail-forest';
import type { MemoryEventStore } from './memory-event-store';
import { received } from './message-builders';

export const mailboxId = '00000000-0000-4000-8000-00000000000b';
export const ids = tenantIds(by.tenantId, Buffer.alloc(32, 7));

/** A mail with ids as short names; `text` tells apart two mails of one Message-ID. */
export interface TestMail extends ForestMail {
  readonly text?: string;
}

/** The message fact as ingest would write it, with real ids. */
export function factOf(mail: TestMail, tenant: TenantIds = ids): MessageReceived['data'] {
  const nodeOf = (name: string): string => tenant.messageId(mailboxId, name);
  const text = mail.text ?? `text of ${mail.nodeId}`;
  return received({
    ...mail,
    messageId: nodeOf(mail.nodeId),
    mailboxId,
    threadNodeId: nodeOf(mail.nodeId),
    ancestorNodeIds: mail.ancestorNodeIds.map(nodeOf),
    subjectNodeId: mail.subjectNodeId === null ? null : tenant.subjectNode(mailboxId, mail.subjectNodeId),
    fingerprint: text,
    preview: text,
    receivedAt: at,
  });
}

/** What the command API does with a mail: store it, under an id of its own where the sender reused one, then thread it. */
export async function deliver(store: EventStore, mail: TestMail): Promise<ThreadedMessage> {
  const fact = factOf(mail);
  try {
    return await storeAndThread(store, fact);
  } catch (error) {
    if (!(error instanceof DomainError) || error.code !== 'MESSAGE_ID_REUSED') throw error;
    const messageId = ids.reusedMessageId(mailboxId, mail.nodeId, fact.fingerprint);
    return storeAndThread(store, { ...fact, messageId });
  }
}

async function storeAndThread(store: EventStore, data: MessageReceived['data']): Promise<ThreadedMessage> {
  const commandId = createdId(data.messageId, data.fingerprint);
  await handleCommand({
    store,
    decider: message,
    streamName: streamName('message', by.tenantId, data.messageId),
    command: new ReceiveMessage({ chunks: [], message: data }, { ...by, commandId }),
  });
  const fact: MessageReceived = { type: 'MessageReceived', data };
  return threadMessage({ store, ids }, { fact, eventId: eventId(commandId, 0), correlationId: commandId });
}

/** What the reactor does after a stop: every message of the log, in the log's order. */
export async function resume(store: MemoryEventStore): Promise<void> {
  for (const event of [...store.log]) {
    if (!isMessageFact(event)) continue;
    const { id: causeId, metadata } = event;
    await threadMessage(
      { store, ids },
      { fact: event, eventId: causeId, correlationId: metadata.$correlationId },
    );
  }
}

/** Conversations by id, each with the texts of its messages; aliases left out. */
export function conversationsIn(store: MemoryEventStore): Record<string, string[]> {
  const states = new Map<string, Conversation>();
  for (const event of store.log) {
    const owner = parseStreamName(event.streamName);
    if (owner?.category !== 'conversation') continue;
    const state = states.get(owner.entityId) ?? conversation.initialState;
    states.set(owner.entityId, conversation.evolve(state, event as unknown as ConversationEvent));
  }
  const live = [...states].flatMap(([id, state]) =>
    state.kind === 'live'
      ? [[id, [...state.messages.values()].map(({ preview }) => preview).toSorted()] as const]
      : [],
  );
  return Object.fromEntries(live.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
