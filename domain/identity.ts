// The names that deterministic ids are made of; apps/shared/ids turns them into uuids under the tenant's pepper.
// Every id ever given depends on these strings: changing one makes known mail unknown. A kind comes first, so that no
// name of one kind can equal a name of another; the free text comes last, so that no text can pass for another field.

/**
 * A message, and equally the thread node of a header field that names it, so that a message known only by its Message-ID
 * can be read directly (architecture.md §3). `normalisedId` comes from normaliseMessageId; a message without one is
 * named by {@link fingerprintId}.
 */
export function messageIdName(mailboxId: string, normalisedId: string): string {
  return `message|${mailboxId}|${normalisedId}`;
}

/** A message whose Message-ID already stands for another text: the fingerprint keeps the two apart (events.md §4.5). */
export function reusedMessageIdName(mailboxId: string, normalisedId: string, fingerprint: string): string {
  return `reused-message|${mailboxId}|${fingerprint}|${normalisedId}`;
}

/** Stands for the Message-ID of a mail that has none. */
export function fingerprintId(fingerprint: string): string {
  return `fp:${fingerprint}`;
}

/** Bytes that could not be read as mail: the same bytes again are the same message. `sha256` is that of the raw bytes. */
export function parkedMessageIdName(mailboxId: string, sha256: string): string {
  return `parked-message|${mailboxId}|${sha256}`;
}

/** The conversation of everything below `rootNodeId`, the topmost node of its reply tree, seen or unseen. */
export function conversationIdName(mailboxId: string, rootNodeId: string): string {
  return `conversation|${mailboxId}|${rootNodeId}`;
}

/**
 * The node that messages of one base subject share (RFC 5256 §2.1 and step 5), where the mailbox joins by subject.
 * The collation of the RFC ignores ASCII case.
 */
export function subjectNodeName(mailboxId: string, baseSubject: string): string {
  return `subject|${mailboxId}|${baseSubject.toLowerCase()}`;
}
