import type { ThreadMember } from './thread.events';

/** Reply trees over thread nodes: known messages, and messages only heard of. */
export interface ReferenceForest {
  readonly parentOf: ReadonlyMap<string, string>;
  /** Every node that any member names, in the canonical order of the members that name it first. */
  readonly nodeIds: ReadonlySet<string>;
}

/**
 * Steps 1 of RFC 5256 REFERENCES: a message's own header decides its parent, what other messages' headers imply counts
 * where nothing is decided yet, and no link closes a ring. The RFC lets the order of the messages decide between claims
 * that contradict each other; here that order is canonical, so that every delivery order gives the same trees.
 */
export function linkReferences(members: readonly ThreadMember[]): ReferenceForest {
  const parentOf = new Map<string, string>();
  const nodeIds = new Set<string>();
  const decided = new Set<string>();
  for (const member of canonicalOrder(members)) {
    const chain = ancestorsOf(member);
    for (const nodeId of [...chain, member.nodeId]) nodeIds.add(nodeId);
    chain.forEach((nodeId, index) => {
      const parent = chain[index - 1];
      if (parent !== undefined && !parentOf.has(nodeId)) link(parentOf, nodeId, parent);
    });
    const parent = chain.at(-1);
    // Of several messages under one Message-ID the first decides: a later one cannot pull a conversation apart.
    if (decided.has(member.nodeId)) {
      if (parent !== undefined && !parentOf.has(member.nodeId)) link(parentOf, member.nodeId, parent);
      continue;
    }
    decided.add(member.nodeId);
    parentOf.delete(member.nodeId);
    if (parent !== undefined) link(parentOf, member.nodeId, parent);
  }
  return { parentOf, nodeIds };
}

/**
 * Every node that can be the root of a tree that holds a message, whatever part of these members is known so far. Found
 * without trying the parts: without contradictions only a node that nothing is said to precede, or that is first in
 * someone's list, can be on top; with a ring of claims any node can.
 */
export function possibleRoots(members: readonly ThreadMember[]): ReadonlySet<string> {
  if (!isAcyclic(claimedParents(members))) return linkReferences(members).nodeIds;
  return new Set(members.map((member) => ancestorsOf(member)[0] ?? member.nodeId));
}

/**
 * Oldest first by the sender's clock, undated last: what gives no date is believed last. Nothing here depends on delivery: not even messageId, which a
 * sender's reuse of a Message-ID makes depend on who came first.
 */
export function canonicalOrder(members: readonly ThreadMember[]): ThreadMember[] {
  const keyed = members.map((member) => ({ member, key: canonicalKey(member) }));
  return keyed.sort((a, b) => compare(a.key, b.key)).map(({ member }) => member);
}

/** Each id once, and never the message itself, which broken clients put into its own References. */
export function ancestorsOf({ nodeId, ancestorNodeIds }: ThreadMember): string[] {
  return [...new Set(ancestorNodeIds)].filter((ancestor) => ancestor !== nodeId);
}

/** Sorts behind every ISO-8601 date. */
const undated = '~';

function canonicalKey({ sentAt, nodeId, ancestorNodeIds, messageId }: ThreadMember): string {
  // messageId comes last and only settles the order of two members that say exactly the same.
  return `${sentAt ?? undated}|${nodeId}|${ancestorNodeIds.join(',')}|${messageId}`;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function link(parentOf: Map<string, string>, child: string, parent: string): void {
  let node: string | undefined = parent;
  while (node !== undefined) {
    if (node === child) return;
    node = parentOf.get(node);
  }
  parentOf.set(child, parent);
}

function claimedParents(members: readonly ThreadMember[]): Map<string, Set<string>> {
  const claims = new Map<string, Set<string>>();
  for (const member of members) {
    const chain = [...ancestorsOf(member), member.nodeId];
    chain.forEach((nodeId, index) => {
      const parents = claims.get(nodeId) ?? new Set();
      const parent = chain[index - 1];
      if (parent !== undefined) parents.add(parent);
      claims.set(nodeId, parents);
    });
  }
  return claims;
}

/** Takes away nodes whose claimed parents are all gone; what is left over stands in or below a ring. */
function isAcyclic(parentsOf: ReadonlyMap<string, ReadonlySet<string>>): boolean {
  const openParents = new Map<string, number>();
  const childrenOf = new Map<string, string[]>();
  for (const [child, parents] of parentsOf) {
    openParents.set(child, parents.size);
    for (const parent of parents) childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), child]);
  }
  const free = [...openParents].filter(([, count]) => count === 0).map(([nodeId]) => nodeId);
  let taken = 0;
  for (let nodeId = free.pop(); nodeId !== undefined; nodeId = free.pop()) {
    taken += 1;
    for (const child of childrenOf.get(nodeId) ?? []) {
      const left = (openParents.get(child) ?? 0) - 1;
      openParents.set(child, left);
      if (left === 0) free.push(child);
    }
  }
  return taken === openParents.size;
}
