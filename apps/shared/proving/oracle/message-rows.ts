import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import type { Recorded } from '../../../../domain/event';
import {
  firstCharacters,
  isoTime,
  type OracleLog,
  type OracleRow,
  type OracleStream,
  type OracleValue,
} from './oracle';

type Attached = Recorded<Extract<MailfoldEvent, { type: 'MessageAttached' }>>;
type Kept = Recorded<
  Extract<MailfoldEvent, { type: 'MessageReceived' | 'MessageSubmitted' | 'MessageParked' }>
>;
type Sent = Exclude<Kept, { type: 'MessageParked' }>;

/** Longer chains of moves would be read twice by nobody. */
const movesMax = 16;

/** The reference to a message, with the conversation that has it last, and its recipients. */
export async function messageRows(stream: OracleStream, log: OracleLog): Promise<OracleRow[]> {
  const { tenantId, entityId } = stream;
  const fact = (await log.read({ ...stream, category: 'message' })).find(isKept);
  const owned = { tenantId, slotEntityId: entityId };
  const reference = { ...owned, table: 'inbox_message_refs', key: { id: entityId } };
  if (fact === undefined) return [{ ...reference, values: null }];
  const attached = await lastAttachment(stream, fact, log);
  return [
    { ...reference, values: { ...kept(fact), ...contentsOf(fact), ...placeOf(fact, attached) } },
    ...recipientsOf(fact).map((values, ordinal) => ({
      ...{ ...owned, table: 'message_recipients', key: { message_id: entityId, ordinal } },
      values: { ...values, log_position: fact.position.toString() },
    })),
  ];
}

function isKept(event: Recorded<MailfoldEvent>): event is Kept {
  return ['MessageReceived', 'MessageSubmitted', 'MessageParked'].includes(event.type);
}

/** From the conversation that a row names along every "it belongs to that one now", wherever the latest attachment is. */
async function lastAttachment(
  { tenantId, entityId }: OracleStream,
  fact: Kept,
  log: OracleLog,
): Promise<Attached | null> {
  const toRead = [
    ...(await log.hints('inbox_message_refs', 'conversation_id', tenantId, entityId)),
    ...(fact.type === 'MessageSubmitted' ? [fact.data.conversationId] : []),
  ];
  const visited = new Set<string>();
  let last: Attached | null = null;
  for (let next = toRead.pop(); next !== undefined && visited.size < movesMax; next = toRead.pop()) {
    if (visited.has(next)) continue;
    visited.add(next);
    for (const event of await log.read({ category: 'conversation', tenantId, entityId: next })) {
      if (event.type === 'MessageDetached' && event.data.messageId === entityId) toRead.push(event.data.to);
      if (event.type !== 'MessageAttached' || event.data.messageId !== entityId) continue;
      if (last === null || event.position > last.position) last = event;
    }
  }
  return last;
}

/** What does not depend on where it is attached. */
function kept({ type, data, revision, metadata }: Kept): Record<string, OracleValue> {
  return {
    email_account_id: data.mailboxId,
    campaign_id: null,
    lead_id: null,
    direction: type === 'MessageSubmitted' ? 'outbound' : 'inbound',
    message_type: type === 'MessageReceived' ? data.messageType : 'email',
    status: { MessageReceived: 'received', MessageSubmitted: 'submitted', MessageParked: 'parked' }[type],
    content_storage_key: data.content.storageKey,
    processed: isoTime(type === 'MessageSubmitted' ? data.submittedAt : data.receivedAt),
    created: isoTime(metadata.occurredAt),
    stream_revision: revision,
  };
}

/** Of what could not be read as mail, there is the reason only. */
function contentsOf(fact: Kept): Record<string, OracleValue> {
  if (fact.type === 'MessageParked')
    return {
      ...{ from_email: '', to_email: null, subject: '', preview: fact.data.reason },
      ...{ attachment_count: 0, thread_node_id: null, sent_at: null },
    };
  const { data } = fact;
  const [from] = data.from;
  const [to] = data.to;
  const sentAt = fact.type === 'MessageReceived' ? fact.data.sentAt : null;
  return {
    from_email: from ? firstCharacters(from.address, 254) : '',
    to_email: to ? firstCharacters(to.address, 254) : null,
    subject: firstCharacters(data.subject, 500),
    preview: data.preview,
    attachment_count: data.attachmentCount,
    thread_node_id: data.threadNodeId,
    sent_at: sentAt === null ? null : isoTime(sentAt),
  };
}

function placeOf(fact: Kept, attached: Attached | null): Record<string, OracleValue> {
  const latest = attached ?? fact;
  return {
    conversation_id: attached?.data.conversationId ?? null,
    parent_message_id: attached?.data.parentMessageId ?? null,
    updated: isoTime(latest.metadata.occurredAt),
    log_position: latest.position.toString(),
  };
}

function recipientsOf(fact: Kept): Record<string, OracleValue>[] {
  if (fact.type === 'MessageParked') return [];
  const { data }: Sent = fact;
  const all = (['from', 'to', 'cc'] as const).flatMap((kind) =>
    data[kind].map(({ name, address }) => ({ kind, name, address })),
  );
  return all;
}
