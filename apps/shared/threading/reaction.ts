import { sealedFields, type MailfoldEvent } from '../../../domain/catalogue.events';
import type { CommandMetadata } from '../../../domain/decider';
import type { EventMetadata } from '../../../domain/event';
import type { AppendResult, EventStore, ExpectedRevision } from '../event-store/event-store';
import { reactionEventId } from '../ids/uuid-v5';

/** Work done in answer to one event, the same whichever process does it. */
export interface Reaction {
  readonly store: EventStore;
  readonly metadata: CommandMetadata;
  readonly causationEventId: string;
  readonly correlationId: string;
}

interface Cause {
  readonly eventId: string;
  readonly correlationId: string;
  /** Domain time of what is answered, ISO-8601: an answer given later, by a reactor, is still the same answer. */
  readonly occurredAt: string;
}

export function threaderReaction(store: EventStore, tenantId: string, cause: Cause): Reaction {
  return {
    store,
    causationEventId: cause.eventId,
    correlationId: cause.correlationId,
    metadata: {
      tenantId,
      // Not the id of the command that caused the event: whoever asks whether that one is done must not find this.
      commandId: reactionEventId(cause.eventId, 'threader', 0),
      actor: { kind: 'system', id: 'threader' },
      now: cause.occurredAt,
    },
  };
}

/**
 * Appends with ids made of what is written and where, so that the command API and the reactor, doing the same step, write
 * it once, and a step that differs in anything never passes for one already done. Resolves only when durable.
 */
export async function appendReaction(
  reaction: Reaction,
  streamName: string,
  expected: ExpectedRevision,
  events: readonly MailfoldEvent[],
): Promise<AppendResult> {
  const { store, causationEventId, correlationId } = reaction;
  const { tenantId, commandId, actor, now } = reaction.metadata;
  const metadata: EventMetadata = {
    tenantId,
    schemaVersion: 1,
    occurredAt: now,
    actor,
    commandId,
    $correlationId: correlationId,
    $causationId: causationEventId,
  };
  return store.append(
    streamName,
    expected,
    events.map((event, index) => ({
      id: reactionEventId(
        causationEventId,
        `threader|${streamName}|${expected}|${openFieldsOf(event)}`,
        index,
      ),
      event,
      metadata,
    })),
  );
}

/** Without the sealed fields: an id must not let anyone test a guess at what was written (reliability.md B5). */
function openFieldsOf(event: MailfoldEvent): string {
  const sealed = Object.keys((sealedFields as Record<string, object | undefined>)[event.type] ?? {});
  return JSON.stringify([event.type, event.data], (name, value: unknown) =>
    sealed.includes(name) ? undefined : value,
  );
}
