import { Inject, type Provider, type Type } from '@nestjs/common';
import { CommandHandler, type ICommandHandler } from '@nestjs/cqrs';
import type { MailfoldEvent } from '../../../domain/catalogue.events';
import type { Command, Decider } from '../../../domain/decider';
import type { Category } from '../../../domain/stream-name';
import { mailbox } from '../../../domain/mailbox/mailbox';
import {
  ChangeThreadingPolicy,
  ConnectMailbox,
  type MailboxCommand,
} from '../../../domain/mailbox/mailbox.commands';
import { tenant } from '../../../domain/tenant/tenant';
import {
  IssueApiKey,
  RegisterTenant,
  RevokeApiKey,
  type TenantCommand,
} from '../../../domain/tenant/tenant.commands';
import { user } from '../../../domain/user/user';
import {
  ActivateUser,
  ChangeUserRole,
  DeactivateUser,
  InviteUser,
  type UserCommand,
} from '../../../domain/user/user.commands';
import type { EventStore } from '../../shared/event-store/event-store';
import type { CommandOutcome } from '../../shared/event-store/handle-command';
import { eventStoreToken } from '../tokens';
import { deliverCommand, type Delivered } from './deliver-command';

interface Aggregate<State, C extends Command, E extends MailfoldEvent> {
  readonly category: Category;
  readonly decider: Decider<State, C, E>;
  readonly entityIdOf: (command: C) => string;
}

/**
 * One bus handler per command class, all alike: load, decide, append. A new command of these aggregates needs its class
 * in this list and nothing else. Commands with a path of their own have handlers of their own.
 */
export const commandHandlers: Provider[] = [
  ...handlersOf([RegisterTenant, IssueApiKey, RevokeApiKey], {
    category: 'tenant',
    decider: tenant,
    entityIdOf: ({ metadata }: TenantCommand) => metadata.tenantId,
  }),
  ...handlersOf([InviteUser, ActivateUser, DeactivateUser, ChangeUserRole], {
    category: 'user',
    decider: user,
    entityIdOf: ({ data }: UserCommand) => data.userId,
  }),
  ...handlersOf([ConnectMailbox, ChangeThreadingPolicy], {
    category: 'mailbox',
    decider: mailbox,
    entityIdOf: ({ data }: MailboxCommand) => data.mailboxId,
  }),
];

/** A constructor of one of the commands of `C`; its parameters matter to those who call it, not here. */
type CommandClass<C extends Command> = new (data: never, metadata: never) => C;

function handlersOf<State, C extends Command, E extends MailfoldEvent>(
  classes: readonly CommandClass<C>[],
  aggregate: Aggregate<State, C, E>,
): Type<ICommandHandler>[] {
  return classes.map((commandClass) => handlerOf(commandClass, aggregate));
}

function handlerOf<State, C extends Command, E extends MailfoldEvent>(
  commandClass: CommandClass<C>,
  { category, decider, entityIdOf }: Aggregate<State, C, E>,
): Type<ICommandHandler> {
  class DeliverToAggregate implements ICommandHandler<Command> {
    constructor(@Inject(eventStoreToken) private readonly store: EventStore) {}

    execute(command: Delivered<C>): Promise<CommandOutcome<E>> {
      return deliverCommand(this.store, { category, decider, entityId: entityIdOf(command) }, command);
    }
  }
  // Nest tells providers apart by class, and people by name.
  Object.defineProperty(DeliverToAggregate, 'name', { value: `Deliver${commandClass.name}` });
  CommandHandler(commandClass as Type<C>)(DeliverToAggregate);
  return DeliverToAggregate;
}
