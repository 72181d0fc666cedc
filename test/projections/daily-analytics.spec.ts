import type { ConversationEvent } from '../../domain/conversation/conversation.events';
import type { MailfoldEvent } from '../../domain/catalogue.events';
import {
  dailyAnalyticsProjection,
  dailyAnalyticsTable,
} from '../../projections/olap/daily-analytics.projection';
import { parked, received, submitted } from '../support/message-builders';
import { given } from '../support/projection-spec';
import { idOf, RecordedLog } from '../support/recorded-log';

const mailboxId = idOf('mailbox');
const nothing = {
  day: '2026-03-01',
  email_account_id: mailboxId,
  messages_received: 0,
  messages_sent: 0,
  bounces_received: 0,
  auto_replies_received: 0,
  messages_parked: 0,
  bytes_received: 0,
  conversations_opened: 0,
  conversations_resolved: 0,
  conversations_merged: 0,
  notes_added: 0,
  assignments: 0,
};
const inMailbox = { conversationId: idOf('a'), mailboxId };
const logOf = (...events: MailfoldEvent[]) =>
  events.reduce((log, event) => log.add('message', idOf('any'), event), new RecordedLog()).events;
const mail = (fields: Parameters<typeof received>[0] = {}): MailfoldEvent => ({
  type: 'MessageReceived',
  data: received({ mailboxId, ...fields }),
});
const statusChanged = (to: 'resolved' | 'pending'): ConversationEvent => ({
  type: 'ConversationStatusChanged',
  data: { ...inMailbox, from: 'open', to, cause: 'agent' },
});

function expectCounts(events: MailfoldEvent[], ...rows: object[]): void {
  given(logOf(...events))
    .whenProjectedBy(dailyAnalyticsProjection)
    .thenRows(
      dailyAnalyticsTable,
      rows.map((row) => ({ ...nothing, ...row })),
    );
}

describe('daily analytics', () => {
  it.each<[string, MailfoldEvent, object]>([
    ['a mail with its bytes', mail(), { messages_received: 1, bytes_received: 10 }],
    [
      'a bounce, also as a mail',
      mail({ messageType: 'bounce' }),
      { messages_received: 1, bytes_received: 10, bounces_received: 1 },
    ],
    [
      'an automatic reply, also as a mail',
      mail({ messageType: 'auto_reply' }),
      { messages_received: 1, bytes_received: 10, auto_replies_received: 1 },
    ],
    ['an answer', { type: 'MessageSubmitted', data: submitted({ mailboxId }) }, { messages_sent: 1 }],
    ['parked bytes', { type: 'MessageParked', data: parked({ mailboxId }) }, { messages_parked: 1 }],
    [
      'an opened conversation',
      {
        type: 'ConversationOpened',
        data: { ...inMailbox, rootNodeId: idOf('root'), openedAt: '2026-01-01T00:00:00Z', subject: '' },
      },
      { conversations_opened: 1 },
    ],
    ['a resolved conversation', statusChanged('resolved'), { conversations_resolved: 1 }],
    [
      'a merged conversation',
      { type: 'ConversationMerged', data: { ...inMailbox, into: idOf('b') } },
      { conversations_merged: 1 },
    ],
    [
      'a note',
      {
        type: 'NoteAdded',
        data: {
          ...inMailbox,
          noteId: idOf('n'),
          authorId: idOf('ana'),
          addedAt: '2026-01-01',
          text: '',
          cause: 'agent',
        },
      },
      { notes_added: 1 },
    ],
    [
      'an assignment',
      {
        type: 'ConversationAssigned',
        data: { ...inMailbox, assigneeId: idOf('ana'), previousAssigneeId: null, cause: 'manual' },
      },
      { assignments: 1 },
    ],
  ])('count %s, and nothing besides', (_what, event, counts) => {
    expectCounts([event], counts);
  });

  it('make no row of what they do not count', () => {
    expectCounts([
      statusChanged('pending'),
      // What a merge carries over was counted where it happened first.
      {
        type: 'ConversationStatusChanged',
        data: { ...inMailbox, from: 'open', to: 'resolved', cause: 'merge' },
      },
      {
        type: 'ConversationAssigned',
        data: { ...inMailbox, assigneeId: idOf('ana'), previousAssigneeId: null, cause: 'merge' },
      },
      {
        type: 'NoteAdded',
        data: {
          ...inMailbox,
          noteId: idOf('n'),
          authorId: idOf('ana'),
          addedAt: '2026-01-01',
          text: '',
          cause: 'merge',
        },
      },
      { type: 'ConversationUnassigned', data: { ...inMailbox, previousAssigneeId: idOf('ana') } },
      { type: 'ConversationRead', data: { ...inMailbox, agentId: idOf('ana'), messageCount: 1 } },
      { type: 'UserActivated', data: { userId: idOf('ana') } },
    ]);
  });

  it('add up', () => {
    expectCounts([mail(), mail({ messageType: 'bounce' }), mail(), statusChanged('resolved')], {
      messages_received: 3,
      bounces_received: 1,
      bytes_received: 30,
      conversations_resolved: 1,
    });
  });

  it('count mail and parked bytes on the UTC day of their receipt, whenever they were imported', () => {
    const receivedAt = '2020-01-01T23:30:00-01:00';
    expectCounts(
      [
        mail({ receivedAt: '2020-01-01T23:59:59.999Z', sentAt: '1999-01-01T00:00:00Z' }),
        mail({ receivedAt }),
        { type: 'MessageParked', data: parked({ mailboxId, receivedAt }) },
      ],
      { day: '2020-01-01', messages_received: 1, bytes_received: 10 },
      { day: '2020-01-02', messages_received: 1, bytes_received: 10, messages_parked: 1 },
    );
  });

  it('keep mailboxes and tenants apart', () => {
    const other = idOf('other tenant');
    const log = new RecordedLog()
      .add('message', idOf('x'), mail())
      .add('message', idOf('y'), mail({ mailboxId: idOf('second') }))
      .add('message', idOf('z'), mail(), other);
    const counts = { messages_received: 1, bytes_received: 10 };
    given(log.events)
      .whenProjectedBy(dailyAnalyticsProjection)
      .thenRows(dailyAnalyticsTable, [
        { ...nothing, ...counts },
        { ...nothing, ...counts, email_account_id: idOf('second') },
        { ...nothing, ...counts },
      ]);
  });
});
