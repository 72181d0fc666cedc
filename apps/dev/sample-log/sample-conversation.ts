import { conversation, type Conversation } from '../../../domain/conversation/conversation';
import {
  AddNote,
  AssignConversation,
  ChangeStatus,
  MarkRead,
  MarkUnread,
  UnassignConversation,
  type ConversationCommand,
} from '../../../domain/conversation/conversation.commands';
import type { ConversationEvent, ConversationStatus } from '../../../domain/conversation/conversation.events';
import type { CommandMetadata } from '../../../domain/decider';
import { streamName } from '../../../domain/stream-name';
import { handleCommand } from '../../shared/event-store/handle-command';
import type { MailAddress } from '../../shared/mail/parsed-mail';
import { park, receive, submit, type IntakePlace } from './message-intake';
import type { Random } from './random';
import { writeMail } from './sample-mail';
import { sampleId, type SampleMailbox, type TenantLife } from './sample-tenant';

export interface ConversationPlan {
  readonly seed: number;
  /** Of all conversations of the log; makes their ids and subjects differ. */
  readonly number: number;
  readonly life: TenantLife;
  readonly mailbox: SampleMailbox;
  readonly place: IntakePlace;
  readonly random: Random;
  /** The time of the log, ISO-8601; moves on by itself. */
  readonly now: () => string;
}

/** How often things happen, by conversation or by exchange. */
const shares = {
  ...{ parked: 0.02, autoReply: 0.05, keyed: 0.1, assigned: 0.85, reassigned: 0.15, unassigned: 0.1 },
  ...{ note: 0.3, markedUnread: 0.1, pending: 0.3, resolved: 0.7, reopened: 0.2, spam: 0.03, merged: 0.08 },
} as const;
const exchangesMax = 4;

/**
 * One conversation from its first mail to its end, and what comes with it, act by act: after each, its appends are to be
 * taken from the store. Everything goes through the deciders and the threading of the real system.
 */
export class SampleConversation {
  private readonly contact: MailAddress;
  private readonly team: MailAddress;
  private readonly agents: readonly string[];
  private conversationId = '';
  private references: string[] = [];
  private commands = 0;
  private mails = 0;

  constructor(private readonly plan: ConversationPlan) {
    this.contact = {
      name: `Customer ${plan.number}`,
      address: `customer${plan.number}@mail${plan.number % 97}.example`,
    };
    this.team = { name: plan.mailbox.name, address: plan.mailbox.address };
    this.agents = plan.life.tenant.agentIds;
  }

  async *acts(): AsyncGenerator<void> {
    const { random } = this.plan;
    if (random.chance(shares.parked)) yield await this.parkOne();
    this.conversationId = yield* this.acting(this.mailIn(false));
    if (random.chance(shares.spam)) {
      yield await this.status('spam');
      return;
    }
    if (random.chance(shares.assigned)) yield await this.assign('auto');
    const exchanges = random.between(1, exchangesMax);
    for (let n = 0; n < exchanges; n++) yield* this.exchange(n === exchanges - 1);
    if (random.chance(shares.merged)) yield* this.lateAnswer();
    if (random.chance(shares.resolved)) yield await this.status('resolved');
    if (!random.chance(shares.reopened)) return;
    yield* this.acting(this.mailIn(false));
    yield await this.status('resolved');
  }

  /** An agent reads and answers, and the contact answers again unless it was the last time. */
  private async *exchange(isLast: boolean): AsyncGenerator<void> {
    const { random } = this.plan;
    const agentId = this.agent();
    yield await this.command((metadata) => new MarkRead(this.of({ agentId }), metadata));
    if (random.chance(shares.note)) yield await this.note(this.conversationId, agentId);
    if (random.chance(shares.reassigned)) yield await this.assign('manual');
    else if (random.chance(shares.unassigned))
      yield await this.command((metadata) => new UnassignConversation(this.of({}), metadata));
    yield* this.acting(this.reply(agentId));
    if (random.chance(shares.pending)) yield await this.status('pending');
    if (isLast) return;
    yield* this.acting(this.mailIn(random.chance(shares.autoReply)));
    if (random.chance(shares.markedUnread))
      yield await this.command((metadata) => new MarkUnread(this.of({ agentId }), metadata));
  }

  /**
   * A mail answers one that has not come yet, so it opens a conversation of its own, which is worked on; then the missing
   * mail comes, answers this conversation, and the two become one.
   */
  private async *lateAnswer(): AsyncGenerator<void> {
    const known = [...this.references];
    const missing = this.messageId();
    this.references = [missing];
    const other = yield* this.acting(this.mailIn(false));
    const agentId = this.agent();
    yield await this.note(other, agentId);
    yield await this.command(
      (metadata) =>
        new AssignConversation({ conversationId: other, assigneeId: agentId, cause: 'manual' }, metadata),
      other,
    );
    const answers = this.references;
    this.references = known;
    this.conversationId = yield* this.acting(this.mailIn(false, missing));
    this.references = [...known, ...answers];
  }

  private async *acting<T>(act: Promise<T>): AsyncGenerator<void, T> {
    const result = await act;
    yield;
    return result;
  }

  private async mailIn(isAutoReply: boolean, messageId = this.messageId()): Promise<string> {
    const { place, mailbox, life, random, now } = this.plan;
    const at = now();
    const mail = writeMail(
      {
        ...{ messageId, references: this.references, from: this.contact, to: this.team, isAutoReply },
        ...{ subject: this.subject(), sentAtMs: Date.parse(at) - random.between(1, 90) * 1_000 },
      },
      random,
    );
    const joinsBySubject = life.policyOf(mailbox.mailboxId) === 'references-and-subject';
    const conversationId = await receive(place, mail, {
      ...{ headerMessageId: messageId, references: this.references, joinsBySubject },
      ...{ commandId: this.commandId(), now: at, isKeyed: random.chance(shares.keyed) },
    });
    this.references = [...this.references, messageId];
    return conversationId;
  }

  private async reply(authorId: string): Promise<string> {
    const { place, random, now } = this.plan;
    const at = now();
    const messageId = this.messageId();
    const mail = writeMail(
      {
        ...{ messageId, references: this.references, from: this.team, to: this.contact, isAutoReply: false },
        ...{ subject: `Re: ${this.subject(false)}`, sentAtMs: Date.parse(at) },
      },
      random,
    );
    const { conversationId, references } = this;
    const sent = { headerMessageId: messageId, references, joinsBySubject: false, conversationId, authorId };
    const home = await submit(place, mail, { ...sent, commandId: this.commandId(), now: at });
    this.references = [...references, messageId];
    return home;
  }

  private async parkOne(): Promise<void> {
    const { place, random, now } = this.plan;
    const bytes = Buffer.from(`no mail ${this.plan.number} ${random.between(0, 1e9)}\n`.repeat(20));
    await park(place, bytes, this.commandId(), now());
  }

  private assign(cause: 'manual' | 'auto'): Promise<void> {
    const assigneeId = this.agent();
    return this.command((metadata) => new AssignConversation(this.of({ assigneeId, cause }), metadata));
  }

  private status(status: ConversationStatus): Promise<void> {
    return this.command(
      (metadata) => new ChangeStatus(this.of({ status, cause: 'agent' as const }), metadata),
    );
  }

  private note(conversationId: string, authorId: string): Promise<void> {
    const { seed, number, now } = this.plan;
    const noteId = sampleId(seed, `note ${number} ${this.commands}`);
    const text = `Called ${this.contact.name ?? ''}: waits for an answer.`;
    const data = { conversationId, noteId, authorId, addedAt: now(), text, cause: 'agent' as const };
    return this.command((metadata) => new AddNote(data, metadata), conversationId);
  }

  private of<Data extends object>(data: Data): Data & { conversationId: string } {
    return { ...data, conversationId: this.conversationId };
  }

  /** Left out where the conversation's state does not allow it, as a client's button would be greyed out. */
  private async command(
    make: (metadata: CommandMetadata) => ConversationCommand,
    conversationId = this.conversationId,
  ): Promise<void> {
    const { place, now } = this.plan;
    const { tenantId } = place.ids;
    const actor = { kind: 'user', id: this.agents[0] ?? null } as const;
    const command = make({ tenantId, commandId: this.commandId(), actor, now: now() });
    const stream = streamName('conversation', tenantId, conversationId);
    if (!(await this.isAllowed(command, stream))) return;
    await handleCommand({ store: place.store, decider: conversation, streamName: stream, command });
  }

  private async isAllowed({ type }: ConversationCommand, stream: string): Promise<boolean> {
    if (type !== 'AssignConversation' && type !== 'UnassignConversation') return true;
    const { events } = await this.plan.place.store.readStream(stream);
    const state = events.reduce<Conversation>(
      (folded, event) => conversation.evolve(folded, event as unknown as ConversationEvent),
      conversation.initialState,
    );
    return state.kind === 'live' && (state.status === 'open' || state.status === 'pending');
  }

  private subject(withMark = this.references.length > 0): string {
    return `${withMark ? 'Re: ' : ''}Question about order ${this.plan.number}`;
  }

  private agent(): string {
    return this.plan.random.pick(this.agents) ?? '';
  }

  private commandId(): string {
    this.commands += 1;
    return sampleId(this.plan.seed, `command ${this.plan.number} ${this.commands}`);
  }

  private messageId(): string {
    this.mails += 1;
    return `sample-${this.plan.seed}-${this.plan.number}-${this.mails}@mail${this.plan.number % 97}.example`;
  }
}
