import type { LiveConversation } from '../../../domain/conversation/conversation';
import type { MessageEvent } from '../../../domain/message/message.events';
import type { Recorded } from '../../../domain/event';
import { streamName } from '../../../domain/stream-name';
import type { EventStore } from '../../shared/event-store/event-store';
import { unavailable } from '../../shared/http/problem';
import type { MailParser } from '../../shared/mail/mail-parser';
import type { MailAddress } from '../../shared/mail/parsed-mail';
import { isMessageFact, type MessageFact } from '../../shared/threading/message-fact';
import { readContent } from '../message/mail-content';

/** What a reply needs to know of the message it answers. */
export interface AnsweredMessage {
  readonly fact: MessageFact;
  /** Whom an answer goes to, unless its author says otherwise. */
  readonly replyTo: readonly MailAddress[];
  /** Without angle brackets; `null` where the message had none. */
  readonly messageIdHeader: string | null;
  readonly references: readonly string[];
}

/** The customer's last message; in a conversation without one, the last of our own. */
export async function answeredMessage(
  store: EventStore,
  mailParser: MailParser,
  tenantId: string,
  { messages }: LiveConversation,
): Promise<AnsweredMessage> {
  const byTime = [...messages.values()].toSorted((a, b) => a.at.localeCompare(b.at));
  const answered = byTime.findLast(({ direction }) => direction === 'inbound') ?? byTime.at(-1);
  // Between the steps of a merge a conversation may be empty.
  if (answered === undefined) throw unavailable('This conversation is being merged.');
  const { events } = await store.readStream(streamName('message', tenantId, answered.messageId));
  const fact = (events as Recorded<MessageEvent>[]).find((event) => isMessageFact(event));
  if (fact === undefined || !isMessageFact(fact)) throw new Error('an attached message has no fact');
  const headers = await headersOf(mailParser, await readContent(store, fact.data.content, events));
  const recipients = fact.type === 'MessageReceived' ? fact.data.from : fact.data.to;
  return { fact, ...headers, replyTo: headers.replyTo.length > 0 ? headers.replyTo : recipients };
}

/** Read from the bytes, since facts hold ids in place of what other people's headers say. */
async function headersOf(
  mailParser: MailParser,
  raw: Uint8Array,
): Promise<Pick<AnsweredMessage, 'replyTo' | 'messageIdHeader' | 'references'>> {
  const result = await mailParser.parse(raw);
  // It could be read when it came; on a machine too busy to read it now, the answer merely names no message.
  if (result.outcome === 'parked') return { replyTo: [], messageIdHeader: null, references: [] };
  const { replyTo, messageIdHeader, references } = result.mail;
  return { replyTo, messageIdHeader, references };
}
