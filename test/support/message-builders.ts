import type {
  ContentRef,
  MessageParked,
  MessageReceived,
  MessageSubmitted,
} from '../../domain/message/message.events';
import { at } from './commands';

const content: ContentRef = {
  streamName: 'message-x',
  storageKey: 'k',
  chunks: 2,
  compression: 'gzip',
  rawSize: 10,
  sha256: 'aa',
};

export function received(fields: Partial<MessageReceived['data']> = {}): MessageReceived['data'] {
  const messageId = fields.messageId ?? 'm1';
  return {
    messageId,
    mailboxId: 'box',
    threadNodeId: messageId,
    ancestorNodeIds: [],
    subjectNodeId: null,
    isReplySubject: false,
    fingerprint: `fingerprint of ${messageId}`,
    messageType: 'email',
    autoSubmitted: false,
    sentAt: at,
    receivedAt: at,
    content,
    attachmentCount: 0,
    parserVersion: 1,
    from: [{ name: 'Cara', address: 'cara@customer.example' }],
    to: [],
    cc: [],
    subject: 'Where is my order?',
    preview: 'Hello',
    ...fields,
  };
}

export function submitted(fields: Partial<MessageSubmitted['data']> = {}): MessageSubmitted['data'] {
  const {
    subjectNodeId: _s,
    isReplySubject: _r,
    messageType: _t,
    autoSubmitted: _a,
    sentAt: _d,
    receivedAt: _at,
    ...shared
  } = received({ messageId: 'r1' });
  return {
    ...shared,
    conversationId: 'c1',
    authorId: 'ana',
    submittedAt: at,
    headerMessageId: 'r1@acme.example',
    ...fields,
  };
}

export function parked(fields: Partial<MessageParked['data']> = {}): MessageParked['data'] {
  return {
    messageId: 'p1',
    mailboxId: 'box',
    reason: 'not-mime',
    detail: 'no header field',
    receivedAt: at,
    content,
    parserVersion: 1,
    ...fields,
  };
}
