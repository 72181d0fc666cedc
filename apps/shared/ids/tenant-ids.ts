import {
  conversationIdName,
  messageIdName,
  reusedMessageIdName,
  subjectNodeName,
} from '../../../domain/identity';
import { pepperedId } from './uuid-v5';

/** The deterministic ids of one tenant (architecture.md §3, events.md §4.5). All results are uuids. */
export interface TenantIds {
  readonly tenantId: string;
  /** Also the thread node of a header field that names the message: a referenced message can be read directly. */
  messageId(mailboxId: string, normalisedMessageId: string): string;
  /** For a message whose sender used an id again for something else. */
  reusedMessageId(mailboxId: string, normalisedMessageId: string, fingerprint: string): string;
  conversationId(mailboxId: string, rootNodeId: string): string;
  subjectNode(mailboxId: string, baseSubject: string): string;
}

export function tenantIds(tenantId: string, pepper: Uint8Array): TenantIds {
  const id = (name: string): string => pepperedId(pepper, tenantId, name);
  return {
    tenantId,
    messageId: (mailboxId, normalisedMessageId) => id(messageIdName(mailboxId, normalisedMessageId)),
    reusedMessageId: (mailboxId, normalisedMessageId, fingerprint) =>
      id(reusedMessageIdName(mailboxId, normalisedMessageId, fingerprint)),
    conversationId: (mailboxId, rootNodeId) => id(conversationIdName(mailboxId, rootNodeId)),
    subjectNode: (mailboxId, baseSubject) => id(subjectNodeName(mailboxId, baseSubject)),
  };
}
