import { mailboxesProjection, mailboxesTable } from '../../projections/oltp/mailboxes.projection';
import { given } from '../support/projection-spec';
import { idOf, RecordedLog } from '../support/recorded-log';

const mailboxId = idOf('mailbox');
const connected = () =>
  new RecordedLog().add('mailbox', mailboxId, {
    type: 'MailboxConnected',
    data: { mailboxId, name: 'Help', address: 'help@acme.example', threadingPolicy: 'references' },
  });
const row = {
  id: mailboxId,
  name: 'Help',
  address: 'help@acme.example',
  threading_policy: 'references',
  created: '2026-03-01T10:00:00.000Z',
  updated: '2026-03-01T10:00:00.000Z',
};

describe('mailboxes', () => {
  it('have one row each, with their address', () => {
    given(connected().events).whenProjectedBy(mailboxesProjection).thenRows(mailboxesTable, [row]);
  });

  it('show the threading policy in force', () => {
    const { events } = connected().add('mailbox', mailboxId, {
      type: 'MailboxThreadingPolicyChanged',
      data: { mailboxId, from: 'references', to: 'references-and-subject' },
    });
    given(events)
      .whenProjectedBy(mailboxesProjection)
      .thenRows(mailboxesTable, [
        { ...row, threading_policy: 'references-and-subject', updated: '2026-03-01T10:01:00.000Z' },
      ]);
  });

  it('are not made by mail that names them', () => {
    given(new RecordedLog().mail('a').events)
      .whenProjectedBy(mailboxesProjection)
      .thenRows(mailboxesTable, []);
  });
});
