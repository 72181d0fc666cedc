import { setTimeout as delay } from 'node:timers/promises';
import { OutcomeUnknown, RevisionConflict, type EventStore } from '../event-store/event-store';
import type { TenantIds } from '../ids/tenant-ids';
import { joinThread, type ThreadView } from './join-thread';
import type { MessageFact } from './message-fact';
import { threaderReaction, type Reaction } from './reaction';
import { settleConversations, type SettledConversations } from './settle-conversations';
import { threadStreamName } from './thread-streams';
import { inTurn } from './turns';

const attemptsMax = 30;
const delayMaxMs = 250;

export interface Threading {
  readonly store: EventStore;
  readonly ids: TenantIds;
}

/** A fact that is in the log already. `eventId` is its own id there, which all that follows names as its cause. */
export interface StoredMessage {
  readonly fact: MessageFact;
  readonly eventId: string;
  readonly correlationId: string;
}

export interface ThreadedMessage {
  readonly conversationId: string;
  /** Of the conversation's stream. */
  readonly revision: number;
  /** A reader that has come this far shows the message in its conversation. */
  readonly position: bigint;
}

/** Others wrote to the same conversation all the time; nothing is lost, the reactor goes on with it. */
export class ThreadingContended extends Error {
  constructor(options: ErrorOptions) {
    super(`a message could not be threaded in ${attemptsMax} attempts`, options);
    this.name = 'ThreadingContended';
  }
}

/**
 * Puts a stored message into its conversation, and every message that it connects (docs/adr/0004-threading.md). Called
 * by the command API for its answer and by the reactor in any case: repeating it on a finished message appends nothing,
 * and it goes on wherever another run of it was stopped.
 *
 * New mail that refers to nothing costs three reads of streams that are missing or short, and one append.
 *
 * @throws ThreadingContended; EventStoreUnavailable or UndecodableStream of the store.
 */
export async function threadMessage(
  { store, ids }: Threading,
  { fact, eventId, correlationId }: StoredMessage,
): Promise<ThreadedMessage> {
  const occurredAt = fact.type === 'MessageReceived' ? fact.data.receivedAt : fact.data.submittedAt;
  const reaction = threaderReaction(store, ids.tenantId, { eventId, correlationId, occurredAt });
  const oldest = fact.data.ancestorNodeIds[0] ?? fact.data.threadNodeId;
  return inTurn(store, oldest, () => untilThreaded(reaction, ids, fact));
}

async function untilThreaded(
  reaction: Reaction,
  ids: TenantIds,
  fact: MessageFact,
): Promise<ThreadedMessage> {
  for (let attempt = 1; ; attempt++) {
    try {
      const settled = await threadOnce(reaction, ids, fact);
      if (settled) return answerOf(settled);
      if (attempt === attemptsMax) throw new ThreadingContended({});
    } catch (error) {
      // Ids say whether a step was done, so a step of unknown outcome is planned again like a lost race.
      if (!(error instanceof RevisionConflict) && !(error instanceof OutcomeUnknown)) throw error;
      if (attempt === attemptsMax) throw new ThreadingContended({ cause: error });
    }
    await delay(Math.random() * Math.min(delayMaxMs, 2 ** attempt));
  }
}

/** `null` when the thread grew while its conversations were written: they may be stale already. */
async function threadOnce(
  reaction: Reaction,
  ids: TenantIds,
  fact: MessageFact,
): Promise<SettledConversations | null> {
  const { messageId, mailboxId } = fact.data;
  const view = await joinThread(reaction, fact);
  const settled = await settleConversations(reaction, ids, mailboxId, view, messageId);
  return !settled.changed || (await stillHolds(reaction, view)) ? settled : null;
}

async function stillHolds(
  { store, metadata }: Reaction,
  { threadId, revision }: ThreadView,
): Promise<boolean> {
  const fromRevision = revision === 'no-stream' ? 0 : revision + 1;
  const name = threadStreamName(metadata.tenantId, threadId);
  return (await store.readStream(name, { fromRevision, maxCount: 1 })).events.length === 0;
}

function answerOf({ home: { conversationId, revision, position } }: SettledConversations): ThreadedMessage {
  if (revision === 'no-stream' || position === null) {
    throw new Error(`conversation ${conversationId} has no stream after its message was attached`);
  }
  return { conversationId, revision, position };
}
