import { MergeThreads, AddThreadMembers } from '../../../domain/thread/thread.commands';
import { thread } from '../../../domain/thread/thread';
import type { ThreadMember } from '../../../domain/thread/thread.events';
import type { ExpectedRevision } from '../event-store/event-store';
import { mapBounded } from './bounded';
import { evidenceOf, type MessageFact } from './message-fact';
import { appendReaction, type Reaction } from './reaction';
import { nodesOf, threadStreamName, ThreadStreams, type ThreadStream } from './thread-streams';

const parallelMax = 16;
/** A hundred members with a hundred ancestors each stay below the 1 MiB that a server takes in one append. */
const membersPerAppendMax = 100;

/** All that is known of the thread a message belongs to, and the point of its stream at which that was true. */
export interface ThreadView {
  readonly threadId: string;
  readonly revision: ExpectedRevision;
  readonly members: readonly ThreadMember[];
  /** Facts read on the way, by message: what a conversation will say of those it does not have yet. */
  readonly facts: ReadonlyMap<string, MessageFact>;
}

/**
 * Makes the message a member of its thread, uniting the threads of all that its header fields name. Union-find over
 * streams: every node is a thread of its own until its stream says into which it went, always from the larger id to the
 * smaller. Steps, each safe to repeat and to stop after:
 *
 * 1. Every root that is not the target becomes an alias. Ids nobody has seen get a stream by this, which a later message
 *    finds.
 * 2. Only then: did those messages come meanwhile? A message is durable before its own threading looks for a stream, and
 *    we write the stream before we look for the message, so one of the two sees the other.
 * 3. The members move, and the message comes in last: a member has all of steps 1 and 2 behind it.
 *
 * @throws RevisionConflict when another writer was faster: plan again.
 */
export async function joinThread(reaction: Reaction, fact: MessageFact): Promise<ThreadView> {
  const plan = new ThreadPlan(reaction, fact);
  await plan.follow(nodesOf(plan.own));
  if (plan.isAlone()) return plan.view();
  await plan.unite();
  await plan.addMembers();
  // The root has no alias to be found by, so whether its message came is asked every time, and after it has a stream.
  while (await plan.discover(plan.unseenRoot())) {
    await plan.unite();
    await plan.addMembers();
  }
  return plan.view();
}

class ThreadPlan {
  readonly own: ThreadMember;
  private readonly mailboxId: string;
  private readonly streams: ThreadStreams;
  private readonly roots = new Map<string, ThreadStream>();
  private readonly followed = new Set<string>();
  private readonly asked = new Set<string>();
  private readonly evidence = new Map<string, ThreadMember>();
  private readonly facts = new Map<string, MessageFact>();
  /** Nodes that members of a root name: they lead to that root already. */
  private readonly settled = new Set<string>();

  constructor(
    private readonly reaction: Reaction,
    fact: MessageFact,
  ) {
    this.own = evidenceOf(fact);
    this.mailboxId = fact.data.mailboxId;
    this.streams = new ThreadStreams(reaction.store, reaction.metadata.tenantId);
    this.learn(fact);
  }

  async follow(nodeIds: readonly string[]): Promise<void> {
    for (const nodeId of nodeIds) {
      if (this.followed.has(nodeId) || this.settled.has(nodeId)) continue;
      this.followed.add(nodeId);
      const path = await this.streams.pathFrom(nodeId);
      for (const stream of path) this.take(stream);
    }
  }

  /** Nothing connects it with anything: its message stream is all the evidence there is, and no thread stream is needed. */
  isAlone(): boolean {
    // Names first: what it names may lead back to it already, and then it is not alone though no other root was found.
    const namesItself = this.own.messageId === this.own.nodeId && nodesOf(this.own).length === 1;
    return namesItself && this.roots.get(this.own.nodeId)?.revision === 'no-stream';
  }

  /** Steps 1 and 2, until no more messages turn up. */
  async unite(): Promise<void> {
    do {
      const target = this.target();
      const others = [...this.roots.values()].filter((root) => root !== target);
      await mapBounded(others, parallelMax, (root) => this.merge(root, target.threadId));
    } while (await this.discover(this.unaskedNodes()));
  }

  /** Step 3. Messages that name no others go first, the caused one last, so that a stop in between loses none. */
  async addMembers(): Promise<void> {
    const missing = [...this.evidence.values()].filter(
      ({ messageId }) => !this.target().thread.members.has(messageId),
    );
    const rank = (member: ThreadMember): number =>
      member.messageId === this.own.messageId ? 2 : Math.min(1, member.ancestorNodeIds.length);
    missing.sort((a, b) => rank(a) - rank(b));
    for (let from = 0; from < missing.length; from += membersPerAppendMax) {
      await this.addBatch(missing.slice(from, from + membersPerAppendMax));
    }
  }

  /** Whether any of these nodes is a message that nobody counted yet; if so, its own nodes are followed as well. */
  async discover(nodeIds: readonly string[]): Promise<boolean> {
    const found = await mapBounded(nodeIds, parallelMax, (nodeId) => this.streams.messageAt(nodeId));
    for (const nodeId of nodeIds) this.asked.add(nodeId);
    const facts = found.filter((fact) => fact !== null);
    for (const fact of facts) this.learn(fact);
    for (const fact of facts) await this.follow(nodesOf(evidenceOf(fact)));
    return facts.length > 0;
  }

  unseenRoot(): string[] {
    const { threadId } = this.target();
    const isSubject = [...this.evidence.values()].some(({ subjectNodeId }) => subjectNodeId === threadId);
    return isSubject || this.evidence.has(threadId) ? [] : [threadId];
  }

  view(): ThreadView {
    const { threadId, revision } = this.target();
    return { threadId, revision, members: [...this.evidence.values()], facts: this.facts };
  }

  private learn(fact: MessageFact): void {
    this.facts.set(fact.data.messageId, fact);
    if (!this.evidence.has(fact.data.messageId)) this.evidence.set(fact.data.messageId, evidenceOf(fact));
  }

  private take(stream: ThreadStream): void {
    const { threadId, thread: state } = stream;
    if (state.mergedInto === null) this.roots.set(threadId, stream);
    for (const member of state.members.values()) this.evidence.set(member.messageId, member);
    // Where members may have come in several appends, some of them may be missing still, so nothing is taken as settled.
    if (state.mergedInto !== null || state.members.size >= membersPerAppendMax) return;
    for (const member of state.members.values()) {
      for (const nodeId of nodesOf(member)) this.settled.add(nodeId);
    }
  }

  private target(): ThreadStream {
    const [first, ...others] = this.roots.values();
    if (!first) throw new Error('a thread plan was used before any node was followed');
    return others.reduce((least, root) => (root.threadId < least.threadId ? root : least), first);
  }

  private unaskedNodes(): string[] {
    const pending = [...this.evidence.values()].filter((member) => !this.isMember(member));
    const nodeIds = pending.flatMap(({ nodeId, ancestorNodeIds }) => [nodeId, ...ancestorNodeIds]);
    return [...new Set(nodeIds)].filter(
      (nodeId) => !this.asked.has(nodeId) && !this.settled.has(nodeId) && !this.evidence.has(nodeId),
    );
  }

  private isMember({ messageId }: ThreadMember): boolean {
    return [...this.roots.values()].some((root) => root.thread.members.has(messageId));
  }

  private async merge(root: ThreadStream, into: string): Promise<void> {
    const { threadId, thread: state, revision } = root;
    const data = { threadId, mailboxId: this.mailboxId, into };
    const events = thread.decide(new MergeThreads(data, this.reaction.metadata), state);
    await appendReaction(this.reaction, this.streamNameOf(threadId), revision, events);
    this.roots.delete(threadId);
    // A first event makes the node known to its message from now on; an answer from before does not count (step 2).
    if (revision === 'no-stream') this.asked.delete(threadId);
  }

  private async addBatch(members: readonly ThreadMember[]): Promise<void> {
    const { threadId, thread: state, revision } = this.target();
    const data = { threadId, mailboxId: this.mailboxId, members };
    const events = thread.decide(new AddThreadMembers(data, this.reaction.metadata), state);
    const appended = await appendReaction(this.reaction, this.streamNameOf(threadId), revision, events);
    this.roots.set(threadId, {
      threadId,
      thread: events.reduce((folded, event) => thread.evolve(folded, event), state),
      revision: appended.revision,
    });
  }

  private streamNameOf(threadId: string): string {
    return threadStreamName(this.reaction.metadata.tenantId, threadId);
  }
}
