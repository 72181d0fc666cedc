import fc from 'fast-check';
import { conversation } from '../../domain/conversation/conversation';
import type { ConversationCommand } from '../../domain/conversation/conversation.commands';
import type { ConversationEvent, MessageAttached } from '../../domain/conversation/conversation.events';
import { DomainError } from '../../domain/domain-error';
import { slotCount } from '../../domain/slot';
import { agentInboxTable, type AgentInboxRow } from '../../projections/oltp/agent-inbox-summary';
import {
  conversationsProjection,
  conversationsTable,
  type ConversationRow,
} from '../../projections/oltp/conversations.projection';
import { by } from '../support/commands';
import { project, projectInLanes, rowsOf } from '../support/projection-spec';
import { idOf, RecordedLog } from '../support/recorded-log';

// So few of each that they meet: that a mark outlives its message takes several steps in one conversation.
const conversationIds = ['a', 'b'].map(idOf);
const agentIds = ['ana', 'ben'].map(idOf);
const conversationId = fc.constantFrom(...conversationIds);
const agentId = fc.constantFrom(...agentIds);
const messageId = fc.constantFrom(...['one', 'two', 'three'].map(idOf));
const at = fc.constantFrom('2026-03-01T09:00:00Z', '2026-03-01T08:00:00Z', '2026-03-01T12:00:00+01:00');
const constantly = <T>(value: T) => fc.constant(value);

function wish<T extends ConversationCommand['type']>(
  type: T,
  data: Record<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<ConversationCommand> {
  const command = { type: constantly(type), metadata: constantly(by) };
  return fc.record({ ...command, data: fc.record({ conversationId, ...data }) }) as never;
}

const wishes = fc.oneof(
  wish('OpenConversation', {
    ...{ mailboxId: constantly(idOf('mailbox')), rootNodeId: messageId, openedAt: at },
    subject: constantly('Hello'),
  }),
  {
    weight: 3,
    arbitrary: wish('AttachMessage', {
      ...{ messageId, at, from: constantly('cara@customer.example'), preview: constantly('Hi') },
      direction: fc.constantFrom('inbound', 'inbound', 'outbound'),
      messageType: fc.constantFrom('email', 'auto_reply'),
      ...{ parentMessageId: constantly(null), moved: fc.boolean() },
    }),
  },
  wish('DetachMessage', { messageId, to: conversationId }),
  wish('MergeConversation', { into: conversationId }),
  wish('AssignConversation', { assigneeId: agentId, cause: fc.constantFrom('manual', 'merge') }),
  wish('UnassignConversation', {}),
  wish('ChangeStatus', {
    status: fc.constantFrom('open', 'pending', 'resolved', 'spam', 'trash'),
    cause: fc.constantFrom('agent', 'merge'),
  }),
  wish('MarkRead', { agentId }),
  wish('MarkUnread', { agentId }),
  wish('AddNote', {
    ...{ noteId: messageId, authorId: agentId, addedAt: at, text: constantly('Call her') },
  }),
);

/** What the decider makes of the wishes, refusals left out: histories that can be, and no others. */
function decided(commands: readonly ConversationCommand[]) {
  const log = new RecordedLog();
  const histories = new Map<string, ConversationEvent[]>();
  for (const command of commands) {
    const id = command.data.conversationId;
    const history = histories.get(id) ?? [];
    const state = history.reduce(
      (past, event) => conversation.evolve(past, event),
      conversation.initialState,
    );
    for (const event of unlessRefused(() => conversation.decide(command, state))) {
      log.add('conversation', id, event);
      histories.set(id, [...(histories.get(id) ?? []), event]);
    }
  }
  return { events: log.events, histories };
}

function unlessRefused(decide: () => ConversationEvent[]): ConversationEvent[] {
  try {
    return decide();
  } catch (error) {
    if (error instanceof DomainError) return [];
    throw error;
  }
}

// The recount: from a conversation's whole history, without running figures that could drift.
type History = readonly ConversationEvent[];

function lifeIn(history: History): History {
  return history.slice(history.findLastIndex(({ type }) => type === 'ConversationOpened'));
}

function present(life: History): MessageAttached['data'][] {
  return life.flatMap((event, index) => {
    if (event.type !== 'MessageAttached') return [];
    const { messageId } = event.data;
    const isGone = life
      .slice(index)
      .some((later) => later.type === 'MessageDetached' && later.data.messageId === messageId);
    return isGone ? [] : [event.data];
  });
}

function unread(life: History): number {
  const sinceRead = life.slice(life.findLastIndex(({ type }) => type === 'ConversationRead') + 1);
  const news = present(sinceRead).filter(({ direction }) => direction === 'inbound');
  return news.length + (isMarked(life, life.length - sinceRead.length) ? 1 : 0);
}

/** A mark says "not done" of what had been read, and lasts until the next reading or until no message is left. */
function isMarked(life: History, from: number): boolean {
  return life.some((event, index) => {
    if (event.type !== 'ConversationMarkedUnread' || index < from) return false;
    const since = life.map((_event, at) => life.slice(0, at + 1)).slice(index);
    return unread(life.slice(0, index)) === 0 && since.every((past) => present(past).length > 0);
  });
}

function recount(history: History) {
  const life = lifeIn(history);
  if (life.some(({ type }) => type === 'ConversationMerged'))
    return { messages: 0, unread: 0, status: 'merged', agent: null };
  const steps = life.flatMap((event) => (event.type === 'ConversationStatusChanged' ? [event.data.to] : []));
  const agents = life.flatMap((event) => {
    if (event.type === 'ConversationUnassigned') return [null];
    return event.type === 'ConversationAssigned' ? [event.data.assigneeId] : [];
  });
  return {
    ...{ messages: present(life).length, unread: unread(life) },
    ...{ status: steps.at(-1) ?? 'open', agent: agents.at(-1) ?? null },
  };
}

function workOf(agent: string, histories: readonly History[]) {
  const own = histories.map(recount).filter((counts) => counts.agent === agent);
  const [open, pending] = ['open', 'pending'].map((status) =>
    own.filter((counts) => counts.status === status),
  );
  const waiting = [...(open ?? []), ...(pending ?? [])];
  return {
    open: open?.length,
    pending: pending?.length,
    unread: sum(waiting.map((counts) => counts.unread)),
  };
}

const sum = (figures: readonly number[]) => figures.reduce((total, figure) => total + figure, 0);

const commandLists = fc.array(wishes, { minLength: 20, maxLength: 80 });

describe('the counts of conversations', () => {
  it('are what a recount of every history gives, and so are the sums of their agents', () => {
    fc.assert(
      fc.property(commandLists, (commands) => {
        const { events, histories } = decided(commands);
        const rows = project(conversationsProjection, events);
        const shown = (rowsOf(rows, conversationsTable) as ConversationRow[]).map((row) => [
          row.id,
          { messages: row.message_count, unread: row.unread_count, status: row.status, agent: agentOf(row) },
        ]);
        const recounted = [...histories].map(([id, history]) => [id, recount(history)]);
        expect(Object.fromEntries(shown)).toEqual(Object.fromEntries(recounted));

        const summary = rowsOf(rows, agentInboxTable) as AgentInboxRow[];
        for (const agent of agentIds) {
          const own = summary.filter((row) => row.agent_id === agent);
          expect({
            open: sum(own.map((row) => row.open_conversations)),
            pending: sum(own.map((row) => row.pending_conversations)),
            unread: sum(own.map((row) => row.total_unread)),
          }).toEqual(workOf(agent, [...histories.values()]));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('are the same however many lanes share the slots, and wherever a lane begins again', () => {
    const bounds = fc.array(fc.integer({ min: 1, max: slotCount - 1 }), { maxLength: 5 });
    fc.assert(
      fc.property(commandLists, bounds, fc.nat(80), (commands, starts, resumedAt) => {
        const { events } = decided(commands);
        const once = project(conversationsProjection, events);
        expect(projectInLanes(conversationsProjection, events, starts)).toEqual(once);
        const resumed = [...events.slice(0, resumedAt), ...events];
        expect(projectInLanes(conversationsProjection, resumed, starts)).toEqual(once);
      }),
    );
  });
});

/** A merged conversation is nobody's, whoever had it last. */
function agentOf(row: ConversationRow): string | null {
  return row.status === 'merged' ? null : row.assigned_agent_id;
}
