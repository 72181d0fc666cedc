import { createHash } from 'node:crypto';
import type { MailfoldEvent } from '../../domain/catalogue.events';
import type { Recorded } from '../../domain/event';
import { streamName, type Category } from '../../domain/stream-name';
import { received } from './message-builders';

/** A uuid that is the same in every run. */
export function idOf(name: string): string {
  const hex = createHash('md5').update(name).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
}

/** Builds events as the log would hold them: revisions per stream, positions over all. */
export class RecordedLog {
  readonly events: Recorded<MailfoldEvent>[] = [];
  private readonly revisions = new Map<string, number>();

  constructor(readonly tenantId: string = idOf('tenant')) {}

  add(category: Category, entityId: string, event: MailfoldEvent, tenantId = this.tenantId): this {
    const name = streamName(category, tenantId, entityId);
    const revision = (this.revisions.get(name) ?? -1) + 1;
    const position = BigInt(100 + this.events.length * 10);
    const minute = String(this.events.length % 60).padStart(2, '0');
    this.revisions.set(name, revision);
    this.events.push({
      ...event,
      id: idOf(`event ${position}`),
      streamName: name,
      revision,
      position,
      metadata: {
        tenantId,
        schemaVersion: 1,
        occurredAt: `2026-03-01T10:${minute}:00.000Z`,
        actor: { kind: 'system', id: null },
        commandId: idOf('command'),
        $correlationId: idOf('command'),
        $causationId: idOf('command'),
      },
    });
    return this;
  }

  /** A mail that opens a conversation of its own, in three events. */
  mail(name: string, fields: { subject?: string; from?: string } = {}, tenantId = this.tenantId): this {
    const [messageId, conversationId, mailboxId] = [idOf(`${name} message`), idOf(name), idOf('mailbox')];
    const subject = fields.subject ?? `About ${name}`;
    const from = fields.from ?? 'cara@customer.example';
    const at = '2026-03-01T09:00:00.000Z';
    const data = received({
      ...{ messageId, mailboxId, subject, threadNodeId: messageId },
      from: [{ name: null, address: from }],
      to: [{ name: 'Help', address: 'help@acme.example' }],
    });
    return this.add('message', messageId, { type: 'MessageReceived', data }, tenantId)
      .add(
        'conversation',
        conversationId,
        {
          type: 'ConversationOpened',
          data: { conversationId, mailboxId, rootNodeId: messageId, openedAt: at, subject },
        },
        tenantId,
      )
      .attach(name, name, tenantId);
  }

  attach(conversation: string, message: string, tenantId = this.tenantId): this {
    const data = {
      ...{ conversationId: idOf(conversation), mailboxId: idOf('mailbox') },
      ...{ messageId: idOf(`${message} message`), parentMessageId: null },
      ...{ direction: 'inbound' as const, messageType: 'email' as const },
      ...{ at: '2026-03-01T09:00:00.000Z', from: 'cara@customer.example', preview: 'Hello' },
    };
    return this.add('conversation', data.conversationId, { type: 'MessageAttached', data }, tenantId);
  }

  assign(conversation: string, agent: string): this {
    const place = { conversationId: idOf(conversation), mailboxId: idOf('mailbox') };
    return this.add('conversation', place.conversationId, {
      type: 'ConversationAssigned',
      data: { ...place, assigneeId: idOf(agent), previousAssigneeId: null, cause: 'manual' },
    });
  }

  read(conversation: string, agent: string, messageCount: number): this {
    const place = { conversationId: idOf(conversation), mailboxId: idOf('mailbox') };
    return this.add('conversation', place.conversationId, {
      type: 'ConversationRead',
      data: { ...place, agentId: idOf(agent), messageCount },
    });
  }

  resolve(conversation: string): this {
    const place = { conversationId: idOf(conversation), mailboxId: idOf('mailbox') };
    return this.add('conversation', place.conversationId, {
      type: 'ConversationStatusChanged',
      data: { ...place, from: 'open', to: 'resolved', cause: 'agent' },
    });
  }

  move(message: string, from: string, to: string): this {
    const place = { conversationId: idOf(from), mailboxId: idOf('mailbox') };
    return this.attach(to, message).add('conversation', place.conversationId, {
      type: 'MessageDetached',
      data: { ...place, messageId: idOf(`${message} message`), to: idOf(to) },
    });
  }
}
