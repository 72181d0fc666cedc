import type { Decider } from '../decider';
import { DomainError } from '../domain-error';
import type { ChangeThreadingPolicy, ConnectMailbox, MailboxCommand } from './mailbox.commands';
import type { MailboxEvent, ThreadingPolicy } from './mailbox.events';

export type Mailbox =
  | { readonly status: 'unknown' }
  | {
      readonly status: 'connected';
      readonly mailboxId: string;
      readonly name: string;
      readonly address: string;
      readonly threadingPolicy: ThreadingPolicy;
    };

export type MailboxErrorCode = 'MAILBOX_NOT_FOUND';

export const mailbox: Decider<Mailbox, MailboxCommand, MailboxEvent> = {
  initialState: { status: 'unknown' },
  decide(command, state) {
    switch (command.type) {
      case 'ConnectMailbox':
        return connect(command, state);
      case 'ChangeThreadingPolicy':
        return changeThreadingPolicy(command, state);
    }
  },
  // Replays history that already happened: it never throws and never reads a clock.
  evolve(state, event) {
    switch (event.type) {
      case 'MailboxConnected':
        return { status: 'connected', ...event.data };
      case 'MailboxThreadingPolicyChanged':
        return state.status === 'unknown' ? state : { ...state, threadingPolicy: event.data.to };
    }
  },
};

function connect({ data }: ConnectMailbox, state: Mailbox): MailboxEvent[] {
  if (state.status === 'connected') return [];
  const { mailboxId, name, address, threadingPolicy } = data;
  return [{ type: 'MailboxConnected', data: { mailboxId, name, address, threadingPolicy } }];
}

function changeThreadingPolicy({ data }: ChangeThreadingPolicy, state: Mailbox): MailboxEvent[] {
  if (state.status === 'unknown') {
    throw new DomainError<MailboxErrorCode>('MAILBOX_NOT_FOUND', 'There is no such mailbox');
  }
  const { mailboxId, threadingPolicy: from } = state;
  const to = data.threadingPolicy;
  return from === to ? [] : [{ type: 'MailboxThreadingPolicyChanged', data: { mailboxId, from, to } }];
}
