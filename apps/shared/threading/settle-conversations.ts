import type { LiveConversation } from '../../../domain/conversation/conversation';
import {
  AddNote,
  AssignConversation,
  AttachMessage,
  ChangeStatus,
  DetachMessage,
  MergeConversation,
  OpenConversation,
  type ConversationCommand,
} from '../../../domain/conversation/conversation.commands';
import type { ConversationStatus } from '../../../domain/conversation/conversation.events';
import { partition, possibleRootNodeIds, type ThreadedConversation } from '../../../domain/thread/partition';
import type { TenantIds } from '../ids/tenant-ids';
import { mapBounded } from './bounded';
import { ConversationStream } from './conversation-streams';
import type { ThreadView } from './join-thread';
import { attachmentOf, type Attachment } from './message-fact';
import type { Reaction } from './reaction';

const parallelMax = 16;
/** What needs an agent most wins: a merge must not hide an open conversation in a resolved one. */
const statusRank: Readonly<Record<ConversationStatus, number>> = {
  open: 4,
  pending: 3,
  resolved: 2,
  spam: 1,
  trash: 0,
};

export interface SettledConversations {
  readonly home: ConversationStream;
  /** Whether anything had to be written. */
  readonly changed: boolean;
}

/**
 * Brings the conversation streams in line with what the evidence says, by appending the difference. Every message is
 * attached where it belongs before it is detached elsewhere, so a stop in between shows it twice and never loses it, and
 * the next run, which looks at every stream that may ever have had one of the messages, takes the second away.
 *
 * @throws RevisionConflict when another writer was faster: plan again.
 */
export async function settleConversations(
  reaction: Reaction,
  ids: TenantIds,
  mailboxId: string,
  view: ThreadView,
  messageId: string,
): Promise<SettledConversations> {
  const idOf = (rootNodeId: string): string => ids.conversationId(mailboxId, rootNodeId);
  const desired = new Map(partition(view.members).map((found) => [idOf(found.rootNodeId), found]));
  const candidates = [...new Set([...desired.keys(), ...[...possibleRootNodeIds(view.members)].map(idOf)])];
  const streams = await mapBounded(candidates, parallelMax, (id) => ConversationStream.read(reaction, id));
  const settlement = new Settlement(reaction, mailboxId, view, desired, streams);
  const attached = await settlement.attachAll();
  const detached = await settlement.detachAll();
  return { home: settlement.homeOf(messageId), changed: attached || detached };
}

class Settlement {
  private readonly streams: ReadonlyMap<string, ConversationStream>;
  private readonly belongsTo: ReadonlyMap<string, string>;
  private readonly attachments = new Map<string, Attachment>();
  /** Conversations as they were read: what they are to hand over must not depend on what this run wrote already. */
  private readonly sources: readonly LiveConversation[];

  constructor(
    private readonly reaction: Reaction,
    private readonly mailboxId: string,
    private readonly view: ThreadView,
    private readonly desired: ReadonlyMap<string, ThreadedConversation>,
    streams: readonly ConversationStream[],
  ) {
    this.streams = new Map(streams.map((stream) => [stream.conversationId, stream]));
    this.belongsTo = new Map(
      [...desired].flatMap(([id, { members }]) => members.map(({ messageId }) => [messageId, id] as const)),
    );
    this.sources = streams.map(({ state }) => state).filter((state) => state.kind === 'live');
    for (const fact of view.facts.values()) this.attachments.set(fact.data.messageId, attachmentOf(fact));
    for (const { messages } of this.sources) {
      for (const attached of messages.values()) this.attachments.set(attached.messageId, attached);
    }
  }

  async attachAll(): Promise<boolean> {
    let changed = false;
    for (const [conversationId, threaded] of this.desired) {
      const commands = this.attachingCommands(conversationId, threaded);
      if (commands.length > 0) changed = (await this.streamOf(conversationId).handle(commands)) || changed;
    }
    return changed;
  }

  async detachAll(): Promise<boolean> {
    let changed = false;
    for (const { conversationId } of this.sources) {
      const commands = this.detachingCommands(conversationId);
      if (commands.length > 0) changed = (await this.streamOf(conversationId).handle(commands)) || changed;
    }
    return changed;
  }

  homeOf(messageId: string): ConversationStream {
    return this.streamOf(this.belongsTo.get(messageId) ?? '');
  }

  private attachingCommands(conversationId: string, threaded: ThreadedConversation): ConversationCommand[] {
    const { state } = this.streamOf(conversationId);
    const present = state.kind === 'live' ? state.messages : new Map<string, unknown>();
    // A message whose words nobody here has read is attached by its own run, which is still under way.
    const missing = threaded.members.filter(
      ({ messageId }) => !present.has(messageId) && this.attachments.has(messageId),
    );
    const emptied = this.sources.filter((source) => this.successorOf(source) === conversationId);
    if (missing.length === 0 && emptied.length === 0) return [];
    const isMoved = (messageId: string): boolean =>
      this.sources.some(({ messages }) => messages.has(messageId));
    const attach = ({ messageId, parentMessageId }: (typeof missing)[number]): ConversationCommand[] => {
      const attachment = this.attachments.get(messageId);
      if (!attachment) return [];
      const data = { ...attachment, conversationId, parentMessageId, moved: isMoved(messageId) };
      return [new AttachMessage(data, this.reaction.metadata)];
    };
    return [
      this.opening(
        conversationId,
        threaded.rootNodeId,
        missing.map(({ messageId }) => messageId),
      ),
      ...missing.filter(({ messageId }) => isMoved(messageId)).flatMap(attach),
      ...this.inheritance(conversationId, emptied),
      // News last: a customer's answer opens what the merge has just left resolved.
      ...missing.filter(({ messageId }) => !isMoved(messageId)).flatMap(attach),
    ];
  }

  private opening(
    conversationId: string,
    rootNodeId: string,
    messageIds: readonly string[],
  ): OpenConversation {
    const source = this.sources.find(({ messages }) => messageIds.some((id) => messages.has(id)));
    const times = messageIds.flatMap((id) => this.attachments.get(id)?.at ?? []);
    const fact = messageIds.map((id) => this.view.facts.get(id)).find((found) => found !== undefined);
    const data = {
      conversationId,
      mailboxId: this.mailboxId,
      rootNodeId,
      openedAt: times.toSorted()[0] ?? this.reaction.metadata.now,
      subject: source?.subject ?? fact?.data.subject ?? '',
    };
    return new OpenConversation(data, this.reaction.metadata);
  }

  /** What agents did on conversations that become other names of this one. */
  private inheritance(conversationId: string, emptied: readonly LiveConversation[]): ConversationCommand[] {
    if (emptied.length === 0) return [];
    const { metadata } = this.reaction;
    const { state } = this.streamOf(conversationId);
    const heirs = state.kind === 'live' ? [state, ...emptied] : emptied;
    const assigneeId = heirs.map((heir) => heir.assigneeId).find((id) => id !== null);
    const status = heirs
      .map((heir) => heir.status)
      .reduce((best, next) => (statusRank[next] > statusRank[best] ? next : best));
    const notes = emptied.flatMap((source) => [...source.notes.values()]);
    return [
      ...(assigneeId === undefined
        ? []
        : [new AssignConversation({ conversationId, assigneeId, cause: 'merge' }, metadata)]),
      new ChangeStatus({ conversationId, status, cause: 'merge' }, metadata),
      ...notes.map(
        ({ noteId, authorId, addedAt, text }) =>
          new AddNote({ conversationId, noteId, authorId, addedAt, text, cause: 'merge' }, metadata),
      ),
    ];
  }

  private detachingCommands(conversationId: string): ConversationCommand[] {
    const { state } = this.streamOf(conversationId);
    if (state.kind !== 'live') return [];
    const { metadata } = this.reaction;
    const detaching = [...state.messages.keys()].flatMap((messageId) => {
      const to = this.belongsTo.get(messageId);
      const isElsewhere = to !== undefined && to !== conversationId;
      return isElsewhere ? [new DetachMessage({ conversationId, messageId, to }, metadata)] : [];
    });
    const into = this.successorOf(state);
    return into === null
      ? detaching
      : [...detaching, new MergeConversation({ conversationId, into }, metadata)];
  }

  /** Where a conversation goes that loses all its messages: after the first of them. `null` while it keeps any. */
  private successorOf({ conversationId, messages }: LiveConversation): string | null {
    const homes = [...messages.keys()].map((messageId) => this.belongsTo.get(messageId));
    const leavesAll = homes.every((home) => home !== undefined && home !== conversationId);
    return leavesAll ? (homes[0] ?? null) : null;
  }

  private streamOf(conversationId: string): ConversationStream {
    const stream = this.streams.get(conversationId);
    if (!stream) throw new Error(`conversation ${conversationId} is not among those this plan has read`);
    return stream;
  }
}
