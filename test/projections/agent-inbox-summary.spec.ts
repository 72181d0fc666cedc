import type { ConversationEvent, ConversationStatus } from '../../domain/conversation/conversation.events';
import { slotOf } from '../../domain/slot';
import { agentInboxTable } from '../../projections/oltp/agent-inbox-summary';
import { conversationsProjection } from '../../projections/oltp/conversations.projection';
import { given } from '../support/projection-spec';
import { idOf, RecordedLog } from '../support/recorded-log';

const inMailbox = (conversation: string) => ({
  conversationId: idOf(conversation),
  mailboxId: idOf('mailbox'),
});

function withStatus(log: RecordedLog, conversation: string, to: ConversationStatus): RecordedLog {
  const data = { ...inMailbox(conversation), from: 'open' as const, to, cause: 'agent' as const };
  return log.add('conversation', data.conversationId, { type: 'ConversationStatusChanged', data });
}
function withUnassigned(log: RecordedLog, conversation: string, agent: string): RecordedLog {
  const data = { ...inMailbox(conversation), previousAssigneeId: idOf(agent) };
  return log.add('conversation', data.conversationId, { type: 'ConversationUnassigned', data });
}
const work = (agent: string, open: number, pending: number, unread: number) => ({
  agent_id: idOf(agent),
  open_conversations: open,
  pending_conversations: pending,
  total_unread: unread,
});
const expectWork = (log: RecordedLog, ...rows: object[]) =>
  given(log.events).whenProjectedBy(conversationsProjection).thenRows(agentInboxTable, rows);

const assigned = () => new RecordedLog().mail('a').assign('a', 'ana');

describe("an agent's figures", () => {
  it('count nothing that nobody has been given', () => {
    expectWork(new RecordedLog().mail('a'));
  });

  it('count what is assigned, with all that is unread in it by then', () => {
    expectWork(assigned(), work('ana', 1, 0, 1));
    expectWork(new RecordedLog().mail('a').attach('a', 'b').assign('a', 'ana'), work('ana', 1, 0, 2));
  });

  it('go from one agent to the next with the conversation', () => {
    expectWork(assigned().assign('a', 'ben'), work('ben', 1, 0, 1));
    expectWork(assigned().assign('a', 'ben').assign('a', 'ana'), work('ana', 1, 0, 1));
    expectWork(withUnassigned(assigned(), 'a', 'ana'));
  });

  it('follow what becomes unread and what is read', () => {
    expectWork(assigned().attach('a', 'b'), work('ana', 1, 0, 2));
    expectWork(assigned().attach('a', 'b').read('a', 'ben', 2), work('ana', 1, 0, 0));
    const data = { ...inMailbox('a'), agentId: idOf('ben') };
    const marked: ConversationEvent = { type: 'ConversationMarkedUnread', data };
    const log = assigned().read('a', 'ben', 1).add('conversation', data.conversationId, marked);
    expectWork(log, work('ana', 1, 0, 1));
  });

  it('count a pending conversation as pending', () => {
    expectWork(withStatus(assigned(), 'a', 'pending'), work('ana', 0, 1, 1));
    expectWork(withStatus(withStatus(assigned(), 'a', 'pending'), 'a', 'open'), work('ana', 1, 0, 1));
  });

  it.each(['resolved', 'spam', 'trash'] as const)('vanish when their last one is %s', (status) => {
    expectWork(withStatus(assigned(), 'a', status));
    // Neither does mail in it bring them back, nor is it forgotten whose it was.
    expectWork(withStatus(assigned(), 'a', status).attach('a', 'b'));
    expectWork(withStatus(withStatus(assigned(), 'a', status), 'a', 'open'), work('ana', 1, 0, 1));
  });

  it('do without a conversation that was merged away, and begin anew when it is opened again', () => {
    const data = { ...inMailbox('a'), into: idOf('b') };
    const merged = assigned()
      .mail('b')
      .move('a', 'a', 'b')
      .add('conversation', data.conversationId, { type: 'ConversationMerged', data });
    expectWork(merged);
    expectWork(merged.assign('b', 'ana'), work('ana', 1, 0, 2));
    const opened: ConversationEvent = {
      type: 'ConversationOpened',
      data: { ...inMailbox('a'), rootNodeId: idOf('root'), openedAt: '2026-03-01T12:00:00Z', subject: 'a' },
    };
    expectWork(merged.add('conversation', data.conversationId, opened), work('ana', 1, 0, 2));
  });

  it('are kept per slot, so that conversations of two lanes never meet in a row', () => {
    const inSlotOf = (name: string) => slotOf(idOf('tenant'), idOf(name));
    expect(inSlotOf('a')).not.toBe(inSlotOf('b'));
    const both = assigned().mail('b').attach('b', 'c').assign('b', 'ana');
    expectWork(both, work('ana', 1, 0, 1), work('ana', 1, 0, 2));
    expectWork(both.resolve('a'), work('ana', 1, 0, 2));
  });

  it('add up within a slot', () => {
    const slot = slotOf(idOf('tenant'), idOf('a'));
    const names = Array.from({ length: 100_000 }, (_none, index) => `neighbour ${index}`);
    const neighbour = names.find((name) => slotOf(idOf('tenant'), idOf(name)) === slot) ?? '';
    expectWork(assigned().mail(neighbour).assign(neighbour, 'ana'), work('ana', 2, 0, 2));
  });

  it('are kept apart by tenant', () => {
    const other = idOf('other tenant');
    const data = { ...inMailbox('a'), assigneeId: idOf('ana'), previousAssigneeId: null };
    const log = assigned()
      .mail('a', {}, other)
      .add(
        'conversation',
        idOf('a'),
        { type: 'ConversationAssigned', data: { ...data, cause: 'manual' } },
        other,
      );
    expectWork(log.resolve('a'), work('ana', 1, 0, 1));
  });
});
