import {
  conversation,
  type Conversation,
  type LiveConversation,
} from '../../../domain/conversation/conversation';
import type { ConversationEvent } from '../../../domain/conversation/conversation.events';
import { streamName } from '../../../domain/stream-name';
import { RevisionConflict, type EventStore } from '../../shared/event-store/event-store';
import { notFound, ProblemError, unavailable } from '../../shared/http/problem';

/** Merges follow merges; more in a row than this is no chain but a fault. */
export const aliasHopsMax = 32;

export interface ConversationRead {
  readonly state: Conversation;
  /** Of the stream's last event; -1 where there is no stream. */
  readonly revision: number;
}

export async function readConversation(
  store: EventStore,
  tenantId: string,
  conversationId: string,
): Promise<ConversationRead> {
  const { events, revision } = await store.readStream(streamName('conversation', tenantId, conversationId));
  const state = events.reduce<Conversation>(
    (folded, event) => conversation.evolve(folded, event as unknown as ConversationEvent),
    conversation.initialState,
  );
  return { state, revision: revision === 'no-stream' ? -1 : revision };
}

/** The conversation that an id stands for by now. Problem `not-found` (404) where it never stood for one. */
export async function canonicalConversation(
  store: EventStore,
  tenantId: string,
  conversationId: string,
): Promise<{ readonly state: LiveConversation; readonly revision: number }> {
  let id = conversationId;
  for (let hop = 0; hop < aliasHopsMax; hop++) {
    const { state, revision } = await readConversation(store, tenantId, id);
    switch (state.kind) {
      case 'live':
        return { state, revision };
      case 'absent':
        throw notFound('resource');
      case 'merged':
        id = state.into;
    }
  }
  throw unavailable('This conversation is being merged.');
}

/**
 * What an If-Match that no longer holds is answered with (412): where the conversation is, and what has happened since the
 * client looked, so that an agent can be shown it.
 */
export async function revisionProblem(
  store: EventStore,
  { streamName: stream, expected, actual }: RevisionConflict,
): Promise<ProblemError> {
  const fromRevision = typeof expected === 'number' ? expected + 1 : 0;
  const { events, revision } = await store.readStream(stream, { fromRevision });
  const currentRevision = typeof revision === 'number' ? revision : actual;
  const changes = events.map(({ type, revision: at, metadata: { occurredAt } }) => ({
    type,
    revision: at,
    occurredAt,
  }));
  return new ProblemError(
    'revision-conflict',
    `You have seen revision ${expected}; it is at ${currentRevision} now.`,
    { currentRevision, changes },
    typeof currentRevision === 'number' ? { etag: `"${currentRevision}"` } : {},
  );
}
