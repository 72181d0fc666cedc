import { ChangeThreadingPolicy, ConnectMailbox } from '../../domain/mailbox/mailbox.commands';
import type { MailboxEvent } from '../../domain/mailbox/mailbox.events';
import { mailbox } from '../../domain/mailbox/mailbox';
import { by } from '../support/commands';
import { specify } from '../support/decider-spec';

const given = specify(mailbox);
const mailboxId = 'box';
const settings = {
  mailboxId,
  name: 'Support',
  address: 'support@acme.example',
  threadingPolicy: 'references',
} as const;
const connected: MailboxEvent = { type: 'MailboxConnected', data: settings };

describe('a mailbox', () => {
  it('is connected, once', () => {
    given([]).when(new ConnectMailbox(settings, by)).then([connected]);
  });
  it('changes how mail finds its conversation', () => {
    given([connected])
      .when(new ChangeThreadingPolicy({ mailboxId, threadingPolicy: 'references-and-subject' }, by))
      .then([
        {
          type: 'MailboxThreadingPolicyChanged',
          data: { mailboxId, from: 'references', to: 'references-and-subject' },
        },
      ]);
  });
  it('has no policy to change before it is connected', () => {
    given([])
      .when(new ChangeThreadingPolicy({ mailboxId, threadingPolicy: 'references' }, by))
      .thenRejectedWith('MAILBOX_NOT_FOUND');
  });
});
