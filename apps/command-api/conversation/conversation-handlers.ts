import { Inject, type Provider, type Type } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import { conversation, ConversationMergedError } from '../../../domain/conversation/conversation';
import {
  AddNote,
  AssignConversation,
  ChangeStatus,
  MarkRead,
  MarkUnread,
  UnassignConversation,
} from '../../../domain/conversation/conversation.commands';
import type { Command } from '../../../domain/decider';
import type { ConversationEvent } from '../../../domain/conversation/conversation.events';
import { RevisionConflict, type EventStore } from '../../shared/event-store/event-store';
import type { CommandOutcome } from '../../shared/event-store/handle-command';
import { unavailable } from '../../shared/http/problem';
import { deliverCommand, type Delivered } from '../delivery/deliver-command';
import { eventStoreToken } from '../tokens';
import { aliasHopsMax, readConversation, revisionProblem } from './canonical-conversation';

export type AgentCommand =
  AssignConversation | UnassignConversation | ChangeStatus | MarkRead | MarkUnread | AddNote;

export interface AgentOutcome extends CommandOutcome<ConversationEvent> {
  /** The conversation that took the command: another than was named, where that one had become an alias. */
  readonly conversationId: string;
}

const agentCommands = [AssignConversation, UnassignConversation, ChangeStatus, MarkRead, MarkUnread, AddNote];

/** One bus handler per command of agents, all alike. */
export const conversationHandlers: Provider[] = agentCommands.map((commandClass) => {
  class DeliverToConversation implements ICommandHandler<Command> {
    constructor(@Inject(eventStoreToken) private readonly store: EventStore) {}

    execute(command: Delivered<AgentCommand>): Promise<AgentOutcome> {
      return deliverFollowing(this.store, command);
    }
  }
  // Nest tells providers apart by class, and people by name.
  Object.defineProperty(DeliverToConversation, 'name', { value: `Deliver${commandClass.name}` });
  CommandHandler(commandClass as Type<AgentCommand>)(DeliverToConversation);
  return DeliverToConversation;
});

/** Delivers to the conversation that the named one has become part of, if it has. */
async function deliverFollowing(store: EventStore, given: Delivered<AgentCommand>): Promise<AgentOutcome> {
  let command = given;
  for (let hop = 0; hop < aliasHopsMax; hop++) {
    const { conversationId } = command.data;
    try {
      const destination = {
        category: 'conversation',
        decider: conversation,
        entityId: conversationId,
      } as const;
      const outcome = await deliverCommand(store, destination, command);
      return { ...outcome, conversationId };
    } catch (error) {
      const into = await successorOf(store, command, error);
      command = { ...command, data: { ...command.data, conversationId: into } } as Delivered<AgentCommand>;
    }
  }
  throw unavailable('This conversation is being merged.');
}

/** Where to go on after a refusal because of a merge; throws what the client shall be told in every other case. */
async function successorOf(
  store: EventStore,
  { data: { conversationId }, metadata }: Delivered<AgentCommand>,
  error: unknown,
): Promise<string> {
  if (error instanceof ConversationMergedError) return error.into;
  if (!(error instanceof RevisionConflict) || metadata.expectedRevision === undefined) throw error;
  // An ETag is always that of the canonical conversation, so one that fails on an alias says nothing yet.
  const { state } = await readConversation(store, metadata.tenantId, conversationId);
  if (state.kind === 'merged') return state.into;
  throw await revisionProblem(store, error);
}
