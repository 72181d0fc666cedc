import { message } from '../../../domain/message/message';
import type { MessageCommand } from '../../../domain/message/message.commands';
import type { MessageEvent, MessageParked } from '../../../domain/message/message.events';
import type { Recorded } from '../../../domain/event';
import { streamName } from '../../../domain/stream-name';
import type { EventStore } from '../../shared/event-store/event-store';
import { handleCommand } from '../../shared/event-store/handle-command';
import { eventId } from '../../shared/ids/uuid-v5';
import { isMessageFact, type MessageFact } from '../../shared/threading/message-fact';
import type { StoredMessage } from '../../shared/threading/thread-message';

/** The fact of a message in the log, be it of this command, of an earlier try of it, or of another one. */
export interface MessageInLog<Fact extends MessageFact | MessageParked> {
  readonly fact: Fact;
  readonly eventId: string;
  readonly correlationId: string;
  readonly position: bigint;
  /** Whether this command put it there, now or at an earlier try. */
  readonly isOurs: boolean;
}

/** A message that has its place in a conversation. */
export type ThreadableInLog = Omit<MessageInLog<MessageFact>, 'isOurs'>;

/**
 * Stores a message in one atomic append, chunks first. The same message already there is left alone and comes back.
 * @throws DomainError MESSAGE_ID_REUSED when another message is there.
 */
export async function storeMessage<Fact extends MessageFact | MessageParked>(
  store: EventStore,
  command: MessageCommand,
  requestHash: string | undefined,
  isFact: (event: MessageEvent) => event is Fact,
): Promise<MessageInLog<Fact>> {
  const { tenantId, commandId } = command.metadata;
  const stream = streamName('message', tenantId, command.data.message.messageId);
  const outcome = await handleCommand({ store, decider: message, streamName: stream, command, requestHash });
  const fact = outcome.events.find(isFact);
  if (fact !== undefined && outcome.position !== null && !outcome.repeated) {
    const id = eventId(commandId, outcome.events.length - 1);
    return { fact, eventId: id, correlationId: commandId, position: outcome.position, isOurs: true };
  }
  const found = await findMessage(store, tenantId, command.data.message.messageId, isFact);
  if (found === null) throw new Error(`${stream} holds a message of another kind`);
  return { ...inLog(found), isOurs: outcome.repeated };
}

/** A message as it was read, in the form in which one that was just written is answered. */
export function inLog<Fact extends MessageFact | MessageParked>(
  fact: Recorded<Fact>,
): Omit<MessageInLog<Fact>, 'isOurs'> {
  const { id, position, metadata } = fact;
  return { fact, eventId: id, correlationId: metadata.$correlationId, position };
}

export async function findMessage<Fact extends MessageFact | MessageParked>(
  store: EventStore,
  tenantId: string,
  messageId: string,
  isFact: (event: MessageEvent) => event is Fact,
): Promise<Recorded<Fact> | null> {
  const { events } = await store.readStream(streamName('message', tenantId, messageId));
  for (const event of events as Recorded<MessageEvent>[]) {
    if (isFact(event)) return event;
  }
  return null;
}

export function isThreadable(event: MessageEvent): event is MessageFact {
  return isMessageFact(event);
}

export function isParked(event: MessageEvent): event is MessageParked {
  return event.type === 'MessageParked';
}

export function asStored({ fact, eventId: id, correlationId }: ThreadableInLog): StoredMessage {
  return { fact, eventId: id, correlationId };
}
