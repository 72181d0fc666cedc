import { canonicalOrder, linkReferences, possibleRoots } from './reference-forest';
import type { ThreadMember } from './thread.events';

export interface ConversationMember {
  readonly messageId: string;
  /** The nearest known message above it in the tree. */
  readonly parentMessageId: string | null;
}

/** One conversation as the evidence has it: what the conversation's stream must come to say. */
export interface ThreadedConversation {
  /** The topmost node of the tree, seen or unseen; the subject's node where messages are joined by subject. */
  readonly rootNodeId: string;
  /** Depth first, siblings by the oldest message at or below them. */
  readonly members: readonly ConversationMember[];
}

interface TreeMember extends ConversationMember {
  readonly evidence: ThreadMember;
}

interface Tree {
  readonly rootNodeId: string;
  readonly members: readonly TreeMember[];
}

/**
 * Which of a thread's messages form one conversation: RFC 5256 REFERENCES, over all evidence at once. Pure and blind to
 * the order of `members`, so every delivery order ends with the same conversations (docs/adr/0004-threading.md).
 * Unlike the RFC it keeps an unseen root with a single child: the id of a conversation must not change with the second.
 */
export function partition(members: readonly ThreadMember[]): ThreadedConversation[] {
  return joinBySubject(growTrees(members)).map(({ rootNodeId, members: joined }) => ({
    rootNodeId,
    members: joined.map(({ messageId, parentMessageId }) => ({ messageId, parentMessageId })),
  }));
}

/**
 * The root nodes of all conversations that any part of this evidence can ever have given. Whoever brings the streams in
 * line with {@link partition} finds there, and nowhere else, what earlier knowledge wrote.
 */
export function possibleRootNodeIds(members: readonly ThreadMember[]): ReadonlySet<string> {
  const subjects = members.map(({ subjectNodeId }) => subjectNodeId).filter((nodeId) => nodeId !== null);
  return new Set([...possibleRoots(members), ...subjects]);
}

/** Trees by their oldest message, without those that hold no message. */
function growTrees(members: readonly ThreadMember[]): Tree[] {
  const ordered = canonicalOrder(members);
  const { parentOf } = linkReferences(ordered);
  const messagesAt = groupBy(ordered, ({ nodeId }) => nodeId);
  // Oldest first, each node entered once: the order of entry is the order of siblings.
  const childrenOf = new Map<string, string[]>();
  const entered = new Set<string>();
  const roots: string[] = [];
  for (const { nodeId: start } of ordered) {
    let nodeId: string | undefined = start;
    while (nodeId !== undefined && !entered.has(nodeId)) {
      entered.add(nodeId);
      const parent: string | undefined = parentOf.get(nodeId);
      if (parent === undefined) roots.push(nodeId);
      else addTo(childrenOf, parent, nodeId);
      nodeId = parent;
    }
  }
  return roots.map((rootNodeId) => ({ rootNodeId, members: walk(rootNodeId, childrenOf, messagesAt) }));
}

/** With a stack of its own: a hostile References chain must not be able to exhaust that of the process. */
function walk(
  rootNodeId: string,
  childrenOf: ReadonlyMap<string, readonly string[]>,
  messagesAt: ReadonlyMap<string, readonly ThreadMember[]>,
): TreeMember[] {
  const found: TreeMember[] = [];
  const open: { nodeId: string; parentMessageId: string | null }[] = [
    { nodeId: rootNodeId, parentMessageId: null },
  ];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { nodeId, parentMessageId } = next;
    const messages = messagesAt.get(nodeId) ?? [];
    for (const evidence of messages) {
      found.push({ messageId: evidence.messageId, parentMessageId, evidence });
    }
    const nearest = messages[0]?.messageId ?? parentMessageId;
    const children = childrenOf.get(nodeId) ?? [];
    open.push(...children.toReversed().map((child) => ({ nodeId: child, parentMessageId: nearest })));
  }
  return found;
}

/**
 * Step 5 of RFC 5256: trees with one base subject are one conversation. Where one of them begins with an original, the
 * others that begin with a reply become answers to it. Messages of a mailbox that does not join by subject have none.
 */
function joinBySubject(trees: readonly Tree[]): Tree[] {
  const groups = groupBy(
    trees,
    ({ rootNodeId, members }) => members[0]?.evidence.subjectNodeId ?? rootNodeId,
  );
  return [...groups].map(([rootNodeId, group]) => {
    const original = group.find(({ members }) => members[0]?.evidence.isReplySubject === false);
    const ordered = original ? [original, ...group.filter((tree) => tree !== original)] : group;
    const answered = original?.members[0]?.messageId ?? null;
    return { rootNodeId, members: ordered.flatMap((tree) => answersTo(answered, tree, tree === original)) };
  });
}

function answersTo(messageId: string | null, { members }: Tree, isOriginal: boolean): readonly TreeMember[] {
  if (messageId === null || isOriginal || members[0]?.evidence.isReplySubject !== true) return members;
  return members.map((member) =>
    member.parentMessageId === null ? { ...member, parentMessageId: messageId } : member,
  );
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) addTo(groups, keyOf(item), item);
  return groups;
}

function addTo<T>(groups: Map<string, T[]>, key: string, item: T): void {
  const group = groups.get(key);
  if (group) group.push(item);
  else groups.set(key, [item]);
}
