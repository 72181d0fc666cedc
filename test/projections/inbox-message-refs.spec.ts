import type { MailfoldEvent } from '../../domain/catalogue.events';
import type { Recorded } from '../../domain/event';
import {
  inboxMessageRefsProjection,
  inboxMessageRefsTable,
  messageRecipientsTable,
} from '../../projections/oltp/inbox-message-refs.projection';
import { parked, received, submitted } from '../support/message-builders';
import { given } from '../support/projection-spec';
import { idOf, RecordedLog } from '../support/recorded-log';

const having = (fields: object) => expect.objectContaining(fields) as object;
const messageId = idOf('a message');
const mailboxId = idOf('mailbox');
const row = {
  id: messageId,
  email_account_id: mailboxId,
  conversation_id: null,
  campaign_id: null,
  lead_id: null,
  parent_message_id: null,
  direction: 'inbound',
  message_type: 'email',
  from_email: 'cara@customer.example',
  to_email: null,
  subject: 'Where is my order?',
  status: 'received',
  preview: 'Hello',
  attachment_count: 0,
  thread_node_id: messageId,
  content_storage_key: 'k',
  sent_at: '2026-03-01T10:00:00.000Z',
  processed: '2026-03-01T10:00:00.000Z',
  created: '2026-03-01T10:00:00.000Z',
  updated: '2026-03-01T10:00:00.000Z',
  stream_revision: 0,
};
type Fields = Parameters<typeof received>[0];
const withReceived = (fields: Fields = {}) =>
  new RecordedLog().add('message', messageId, {
    type: 'MessageReceived',
    data: received({ messageId, mailboxId, ...fields }),
  });

/** The last two events in the other order, as two lanes of writers might have appended them. */
function withLastTwoSwapped(events: readonly Recorded<MailfoldEvent>[]): Recorded<MailfoldEvent>[] {
  const [first, second] = events.slice(-2);
  if (!first || !second) throw new Error('Nothing to swap');
  return [
    ...events.slice(0, -2),
    { ...second, position: first.position },
    { ...first, position: second.position },
  ];
}

describe('inbox message refs', () => {
  it('show a mail before it has a conversation', () => {
    given(withReceived().events)
      .whenProjectedBy(inboxMessageRefsProjection)
      .thenRows(inboxMessageRefsTable, [row]);
  });

  it('tell when a mail was sent from when it was received, in UTC, and do without a date', () => {
    const dated = withReceived({ sentAt: '2026-02-01T01:00:00+02:00', receivedAt: '2026-02-02T00:00:00Z' });
    given(dated.events)
      .whenProjectedBy(inboxMessageRefsProjection)
      .thenRows(inboxMessageRefsTable, [
        { ...row, sent_at: '2026-01-31T23:00:00.000Z', processed: '2026-02-02T00:00:00.000Z' },
      ]);
    given(withReceived({ sentAt: null, messageType: 'bounce' }).events)
      .whenProjectedBy(inboxMessageRefsProjection)
      .thenRows(inboxMessageRefsTable, [{ ...row, sent_at: null, message_type: 'bounce' }]);
  });

  it("show an agent's answer as outbound, sent by nobody yet", () => {
    const data = submitted({
      ...{ messageId, mailboxId, threadNodeId: messageId, submittedAt: '2026-03-01T11:00:00Z' },
      from: [{ name: 'Help', address: 'help@acme.example' }],
      to: [{ name: null, address: 'cara@customer.example' }],
    });
    const { events } = new RecordedLog().add('message', messageId, { type: 'MessageSubmitted', data });
    given(events)
      .whenProjectedBy(inboxMessageRefsProjection)
      .thenRows(inboxMessageRefsTable, [
        {
          ...row,
          direction: 'outbound',
          status: 'submitted',
          from_email: 'help@acme.example',
          to_email: 'cara@customer.example',
          sent_at: null,
          processed: '2026-03-01T11:00:00.000Z',
        },
      ]);
  });

  it('show parked bytes with the reason, and no recipients', () => {
    const data = parked({ messageId, mailboxId, receivedAt: '2026-02-01T00:00:00Z' });
    const { events } = new RecordedLog().add('message', messageId, { type: 'MessageParked', data });
    given(events)
      .whenProjectedBy(inboxMessageRefsProjection)
      .thenRows(inboxMessageRefsTable, [
        {
          ...row,
          status: 'parked',
          from_email: '',
          subject: '',
          preview: 'not-mime',
          thread_node_id: null,
          sent_at: null,
          processed: '2026-02-01T00:00:00.000Z',
        },
      ]);
    given(events).whenProjectedBy(inboxMessageRefsProjection).thenRows(messageRecipientsTable, []);
  });

  it('name the conversation and the parent once they are known', () => {
    const { events } = withReceived().add('conversation', idOf('a'), {
      type: 'MessageAttached',
      data: {
        ...{ conversationId: idOf('a'), mailboxId, messageId, parentMessageId: idOf('parent') },
        ...{ direction: 'inbound', messageType: 'email', at: '2026-03-01T09:00:00Z' },
        ...{ from: 'cara@customer.example', preview: 'Hello' },
      },
    });
    const placed = { conversation_id: idOf('a'), parent_message_id: idOf('parent') };
    given(events)
      .whenProjectedBy(inboxMessageRefsProjection)
      .thenRows(inboxMessageRefsTable, [{ ...row, ...placed, updated: '2026-03-01T10:01:00.000Z' }]);
  });

  it('follow a message to its new conversation, whichever half of a move comes first', () => {
    const { events } = new RecordedLog().mail('a').mail('b').move('b', 'b', 'a');
    for (const order of [events, withLastTwoSwapped(events)]) {
      given(order)
        .whenProjectedBy(inboxMessageRefsProjection)
        .thenRows(inboxMessageRefsTable, [
          having({ id: messageId, conversation_id: idOf('a') }),
          having({ id: idOf('b message'), conversation_id: idOf('a') }),
        ]);
    }
  });

  it('follow it back again', () => {
    const { events } = new RecordedLog().mail('a').mail('b').move('b', 'b', 'a').move('b', 'a', 'b');
    for (const order of [events, withLastTwoSwapped(events)]) {
      given(order)
        .whenProjectedBy(inboxMessageRefsProjection)
        .thenRows(inboxMessageRefsTable, [
          having({ conversation_id: idOf('a') }),
          having({ conversation_id: idOf('b') }),
        ]);
    }
  });

  it('are not made by an attachment of a message that never came in', () => {
    given(new RecordedLog().attach('a', 'ghost').events)
      .whenProjectedBy(inboxMessageRefsProjection)
      .thenRows(inboxMessageRefsTable, []);
  });

  it.each([
    ['a text that just fits', 'x'.repeat(500), 'x'.repeat(500)],
    ['a text one too long', 'x'.repeat(501), 'x'.repeat(500)],
    ['characters of two units that fit', '🙂'.repeat(500), '🙂'.repeat(500)],
    ['characters of two units', '🙂'.repeat(501), '🙂'.repeat(500)],
    ['a pair across the border of units', `x${'🙂'.repeat(600)}`, `x${'🙂'.repeat(499)}`],
  ])('cut a subject to its column by whole characters: %s', (_what, subject, expected) => {
    given(withReceived({ subject }).events)
      .whenProjectedBy(inboxMessageRefsProjection)
      .thenRows(inboxMessageRefsTable, [having({ subject: expected })]);
  });

  it('cut addresses to their columns, and keep them whole among the recipients', () => {
    const long = { name: null, address: `${'ü'.repeat(300)}@acme.example` };
    const { events } = withReceived({ from: [long], to: [long] });
    const cut = 'ü'.repeat(254);
    given(events)
      .whenProjectedBy(inboxMessageRefsProjection)
      .thenRows(inboxMessageRefsTable, [having({ from_email: cut, to_email: cut })]);
    given(events)
      .whenProjectedBy(inboxMessageRefsProjection)
      .thenRows(messageRecipientsTable, [
        having({ kind: 'from', address: long.address }),
        having({ kind: 'to', address: long.address }),
      ]);
  });

  it('list every recipient in the order of the header fields, even one named twice', () => {
    const cara = { name: 'Cara', address: 'cara@customer.example' };
    const help = { name: null, address: 'help@acme.example' };
    const { events } = withReceived({ from: [cara], to: [help, help], cc: [cara] });
    given(events)
      .whenProjectedBy(inboxMessageRefsProjection)
      .thenRows(messageRecipientsTable, [
        { message_id: messageId, ordinal: 0, kind: 'from', ...cara },
        { message_id: messageId, ordinal: 1, kind: 'to', ...help },
        { message_id: messageId, ordinal: 2, kind: 'to', ...help },
        { message_id: messageId, ordinal: 3, kind: 'cc', ...cara },
      ]);
  });

  it('do without a sender', () => {
    given(withReceived({ from: [] }).events)
      .whenProjectedBy(inboxMessageRefsProjection)
      .thenRows(inboxMessageRefsTable, [{ ...row, from_email: '' }]);
  });
});
