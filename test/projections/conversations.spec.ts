import { agentInboxTable } from '../../projections/oltp/agent-inbox-summary';
import {
  conversationReadsTable,
  conversationsProjection,
  conversationsTable,
} from '../../projections/oltp/conversations.projection';
import {
  inboxMessageRefsProjection,
  inboxMessageRefsTable,
} from '../../projections/oltp/inbox-message-refs.projection';
import {
  dailyAnalyticsProjection,
  dailyAnalyticsTable,
} from '../../projections/olap/daily-analytics.projection';
import { given } from '../support/projection-spec';
import { idOf, RecordedLog } from '../support/recorded-log';

const having = (fields: object) => expect.objectContaining(fields) as object;

describe('conversations', () => {
  it('counts what came in since anyone last read it', () => {
    const { events } = new RecordedLog().mail('a').attach('a', 'b').read('a', 'ana', 2).attach('a', 'c');
    given(events)
      .whenProjectedBy(conversationsProjection)
      .thenRows(conversationsTable, [having({ unread_count: 1, message_count: 3 })]);
    given(events)
      .whenProjectedBy(conversationsProjection)
      .thenRows(conversationReadsTable, [having({ agent_id: idOf('ana'), seen_count: 2 })]);
  });

  it('takes the counts of a moved message along', () => {
    const { events } = new RecordedLog().mail('a').mail('b').move('b', 'b', 'a');
    given(events)
      .whenProjectedBy(conversationsProjection)
      .thenRows(conversationsTable, [
        having({ id: idOf('a'), message_count: 2, unread_count: 2 }),
        having({ id: idOf('b'), message_count: 0, unread_count: 0 }),
      ]);
  });

  it("sums an agent's open conversations, and forgets an agent who has none", () => {
    const log = new RecordedLog().mail('a').assign('a', 'ana').mail('b').assign('b', 'ana');
    const row = { agent_id: idOf('ana'), open_conversations: 1, pending_conversations: 0, total_unread: 1 };
    // One row per slot; both conversations lie in different ones.
    given(log.events).whenProjectedBy(conversationsProjection).thenRows(agentInboxTable, [row, row]);
    log.resolve('a');
    given(log.events).whenProjectedBy(conversationsProjection).thenRows(agentInboxTable, [row]);
  });
});

describe('inbox message refs', () => {
  it('follow their conversation, whichever half of a move comes first', () => {
    const moved = new RecordedLog().mail('a').mail('b').move('b', 'b', 'a');
    const [attached, detached] = moved.events.slice(-2);
    const reversed = [...moved.events.slice(0, -2)];
    if (attached && detached) {
      reversed.push(
        { ...detached, position: attached.position },
        { ...attached, position: detached.position },
      );
    }
    const expected = [having({ conversation_id: idOf('a') }), having({ conversation_id: idOf('a') })];
    given(moved.events).whenProjectedBy(inboxMessageRefsProjection).thenRows(inboxMessageRefsTable, expected);
    given(reversed).whenProjectedBy(inboxMessageRefsProjection).thenRows(inboxMessageRefsTable, expected);
  });

  it('cut a subject to its column, by whole characters', () => {
    const { events } = new RecordedLog().mail('a', { subject: '🙂'.repeat(501) });
    given(events)
      .whenProjectedBy(inboxMessageRefsProjection)
      .thenRows(inboxMessageRefsTable, [having({ subject: '🙂'.repeat(500) })]);
  });
});

describe('daily analytics', () => {
  it('count per mailbox and UTC day', () => {
    const { events } = new RecordedLog().mail('a').mail('b').resolve('a');
    given(events)
      .whenProjectedBy(dailyAnalyticsProjection)
      .thenRows(dailyAnalyticsTable, [
        having({
          day: '2026-03-01',
          messages_received: 2,
          conversations_opened: 2,
          conversations_resolved: 1,
          bytes_received: 20,
        }),
      ]);
  });
});
