import { mailbox, type Mailbox } from '../../domain/mailbox/mailbox';
import type { MailboxEvent } from '../../domain/mailbox/mailbox.events';
import { streamName } from '../../domain/stream-name';
import { user } from '../../domain/user/user';
import type { UserEvent } from '../../domain/user/user.events';
import type { EventStore } from '../shared/event-store/event-store';
import { invalidFields, notFound } from '../shared/http/problem';

export type ConnectedMailbox = Extract<Mailbox, { status: 'connected' }>;

/** Reads a mailbox of the tenant from the log. Problem `not-found` (404), the same for another tenant's. */
export async function connectedMailbox(
  store: EventStore,
  tenantId: string,
  mailboxId: string,
): Promise<ConnectedMailbox> {
  const { events } = await store.readStream(streamName('mailbox', tenantId, mailboxId));
  const state = events.reduce(
    (folded, event) => mailbox.evolve(folded, event as unknown as MailboxEvent),
    mailbox.initialState,
  );
  if (state.status === 'unknown') throw notFound('resource');
  return state;
}

/** Problem `invalid-fields` (400) naming `field` unless the id is that of an active user of the tenant. */
export async function demandActiveUser(
  store: EventStore,
  tenantId: string,
  userId: string,
  field: string,
): Promise<void> {
  const { events } = await store.readStream(streamName('user', tenantId, userId));
  const state = events.reduce(
    (folded, event) => user.evolve(folded, event as unknown as UserEvent),
    user.initialState,
  );
  if (state.status !== 'active') throw invalidFields([{ field, detail: 'is not an active user' }]);
}
