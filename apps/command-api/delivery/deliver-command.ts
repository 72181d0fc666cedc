import type { MailfoldEvent } from '../../../domain/catalogue.events';
import { command as acceptedCommand } from '../../../domain/command/command';
import { AcceptCommand } from '../../../domain/command/command.commands';
import type { Command, Decider } from '../../../domain/decider';
import { streamName, type Category } from '../../../domain/stream-name';
import type { EventStore } from '../../shared/event-store/event-store';
import {
  handleCommand,
  IdempotencyMismatch,
  type CommandOutcome,
} from '../../shared/event-store/handle-command';
import type { RequestMetadata } from './request-metadata';

/** A domain command with the conditions of its delivery in its metadata. */
export type Delivered<C extends Command> = C & { readonly metadata: RequestMetadata };

/** Where an aggregate's stream is, and who decides about it. */
export interface Destination<State, C extends Command, E extends MailfoldEvent> {
  readonly category: Category;
  readonly decider: Decider<State, C, E>;
  readonly entityId: string;
}

/**
 * Carries one command to its aggregate, at most once per Idempotency-Key. A command that changed something is found
 * again in the stream by its id. One that changed nothing left no trace there, so its key is written to a stream of its
 * own: a late retry must not take effect after somebody else's change (docs/adr/0007).
 */
export async function deliverCommand<State, C extends Command, E extends MailfoldEvent>(
  store: EventStore,
  { category, decider, entityId }: Destination<State, C, E>,
  command: Delivered<C>,
): Promise<CommandOutcome<E>> {
  const { tenantId, requestHash, expectedRevision } = command.metadata;
  const stream = streamName(category, tenantId, entityId);
  if (await wasAccepted(store, command.metadata)) return unchanged(store, stream);
  const outcome = await handleCommand({
    store,
    decider,
    streamName: stream,
    command,
    requestHash,
    expectedRevision,
  });
  if (outcome.events.length === 0) await accept(store, command.metadata);
  return outcome;
}

/**
 * Binds an Idempotency-Key to its request before the command's own stream is known, as for a mail whose id lies in its
 * bytes. Does nothing without a key. @throws IdempotencyMismatch
 */
export async function accept(store: EventStore, metadata: RequestMetadata): Promise<void> {
  const { tenantId, commandId, route, requestHash } = metadata;
  if (requestHash === undefined) return;
  await handleCommand({
    store,
    decider: acceptedCommand,
    streamName: streamName('command', tenantId, commandId),
    command: new AcceptCommand({ commandId, route }, metadata),
    requestHash,
  });
}

async function wasAccepted(store: EventStore, metadata: RequestMetadata): Promise<boolean> {
  const { tenantId, commandId, requestHash } = metadata;
  if (requestHash === undefined) return false;
  const { events } = await store.readStream(streamName('command', tenantId, commandId), { maxCount: 1 });
  const first = events[0];
  if (first === undefined) return false;
  if (first.metadata.requestHash !== requestHash) throw new IdempotencyMismatch(commandId);
  return true;
}

async function unchanged<E extends MailfoldEvent>(
  store: EventStore,
  stream: string,
): Promise<CommandOutcome<E>> {
  const { events, revision } = await store.readStream(stream, { last: 1 });
  return { events: [], revision, position: events.at(-1)?.position ?? null, repeated: true };
}
