import type { Event, SealedFields } from '../event';

// Stored for ever. Never rename a type or change a field's meaning: add a new event and upcast the old one.

/**
 * How messages of a mailbox find their conversation. `references` trusts the header fields alone;
 * `references-and-subject` also joins by base subject as step 5 of RFC 5256 REFERENCES does.
 */
export type ThreadingPolicy = 'references' | 'references-and-subject';

export type MailboxConnected = Event<
  'MailboxConnected',
  { mailboxId: string; name: string; address: string; threadingPolicy: ThreadingPolicy }
>;
export type MailboxThreadingPolicyChanged = Event<
  'MailboxThreadingPolicyChanged',
  { mailboxId: string; from: ThreadingPolicy; to: ThreadingPolicy }
>;

export type MailboxEvent = MailboxConnected | MailboxThreadingPolicyChanged;

export const mailboxSealedFields: SealedFields<MailboxEvent> = {
  MailboxConnected: { name: '[erased]', address: '[erased]' },
};
