import type { Event } from '../event';

// Stored for ever. Never rename a type or change a field's meaning: add a new event and upcast the old one.
// A thread gathers every message that any header field connects, however indirectly; which of them form one
// conversation is computed from all of them together, so that the order of delivery cannot matter (docs/adr/0004).

/** What one message says about its place. Ids are thread nodes: known messages, or messages only heard of. */
export interface ThreadMember {
  readonly messageId: string;
  readonly nodeId: string;
  readonly ancestorNodeIds: readonly string[];
  readonly subjectNodeId: string | null;
  readonly isReplySubject: boolean;
  /** The date the sender gave, ISO-8601. Never the time of receipt: that depends on the order of delivery. */
  readonly sentAt: string | null;
}

export type ThreadMemberAdded = Event<
  'ThreadMemberAdded',
  { threadId: string; mailboxId: string; member: ThreadMember }
>;

/**
 * This stream's members now count in another thread, and messages that find this one must follow. Always the last event
 * of its stream, and always from the larger id to the smaller, so that no two writers can build a ring.
 */
export type ThreadsMerged = Event<'ThreadsMerged', { threadId: string; mailboxId: string; into: string }>;

export type ThreadEvent = ThreadMemberAdded | ThreadsMerged;
