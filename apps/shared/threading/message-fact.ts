import type { MailfoldEvent } from '../../../domain/catalogue.events';
import type { MessageAttached } from '../../../domain/conversation/conversation.events';
import type { MessageReceived, MessageSubmitted } from '../../../domain/message/message.events';
import type { ThreadMember } from '../../../domain/thread/thread.events';

/** What makes a message one that belongs into a conversation; a parked one belongs nowhere until it is read. */
export type MessageFact = MessageReceived | MessageSubmitted;

/** What a conversation says of a message, wherever the message stands in it. */
export type Attachment = Omit<MessageAttached['data'], 'conversationId' | 'mailboxId' | 'parentMessageId'>;

export function isMessageFact<E extends MailfoldEvent>(event: E): event is E & MessageFact {
  return event.type === 'MessageReceived' || event.type === 'MessageSubmitted';
}

export function evidenceOf({ type, data }: MessageFact): ThreadMember {
  const { messageId, threadNodeId: nodeId, ancestorNodeIds } = data;
  const shared = { messageId, nodeId, ancestorNodeIds };
  switch (type) {
    case 'MessageReceived': {
      const { subjectNodeId, isReplySubject, sentAt } = data;
      return { ...shared, subjectNodeId, isReplySubject, sentAt };
    }
    case 'MessageSubmitted':
      // An agent answers a conversation, not a subject: its ancestors say all there is to say.
      return { ...shared, subjectNodeId: null, isReplySubject: true, sentAt: data.submittedAt };
  }
}

export function attachmentOf({ type, data }: MessageFact): Attachment {
  const shared = { messageId: data.messageId, from: data.from[0]?.address ?? '', preview: data.preview };
  switch (type) {
    case 'MessageReceived':
      return { ...shared, direction: 'inbound', messageType: data.messageType, at: data.receivedAt };
    case 'MessageSubmitted':
      return { ...shared, direction: 'outbound', messageType: 'email', at: data.submittedAt };
  }
}
