import { conversation, type Conversation } from '../../../domain/conversation/conversation';
import type { ConversationCommand } from '../../../domain/conversation/conversation.commands';
import type { ConversationEvent } from '../../../domain/conversation/conversation.events';
import { streamName } from '../../../domain/stream-name';
import type { ExpectedRevision } from '../event-store/event-store';
import { appendReaction, type Reaction } from './reaction';

/** One conversation's stream as a plan sees it, kept in step with what the plan appends. */
export class ConversationStream {
  private constructor(
    private readonly reaction: Reaction,
    readonly conversationId: string,
    public state: Conversation,
    public revision: ExpectedRevision,
    /** Of the stream's last event; `null` for no stream. */
    public position: bigint | null,
  ) {}

  static async read(reaction: Reaction, conversationId: string): Promise<ConversationStream> {
    const name = streamName('conversation', reaction.metadata.tenantId, conversationId);
    const { events, revision } = await reaction.store.readStream(name);
    // Both begin a new state, so what an alias was before, often much, need not be folded.
    const start = events.findLastIndex(
      ({ type }) => type === 'ConversationOpened' || type === 'ConversationMerged',
    );
    const state = events
      .slice(Math.max(start, 0))
      .reduce<Conversation>(
        (folded, event) => conversation.evolve(folded, event as unknown as ConversationEvent),
        conversation.initialState,
      );
    return new ConversationStream(reaction, conversationId, state, revision, events.at(-1)?.position ?? null);
  }

  /** Decides the commands one upon the other and appends what came of them at once. Whether anything did. */
  async handle(commands: readonly ConversationCommand[]): Promise<boolean> {
    const decided: ConversationEvent[] = [];
    let state = this.state;
    for (const command of commands) {
      const events = conversation.decide(command, state);
      state = events.reduce((folded, event) => conversation.evolve(folded, event), state);
      decided.push(...events);
    }
    if (decided.length === 0) return false;
    const name = streamName('conversation', this.reaction.metadata.tenantId, this.conversationId);
    const appended = await appendReaction(this.reaction, name, this.revision, decided);
    this.state = state;
    this.revision = appended.revision;
    this.position = appended.position;
    return true;
  }
}
