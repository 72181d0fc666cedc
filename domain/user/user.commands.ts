import type { Command, CommandMetadata } from '../decider';
import type { UserRole } from './user.events';

// Plain classes, so that a command bus can route them by constructor while the domain imports no framework.

/** Provisioned by an admin, who vouches for the address: the user can work at once. */
export class InviteUser implements Command<'InviteUser'> {
  readonly type = 'InviteUser';
  constructor(
    readonly data: {
      readonly userId: string;
      readonly name: string;
      readonly email: string;
      readonly role: UserRole;
    },
    readonly metadata: CommandMetadata,
  ) {}
}

export class ActivateUser implements Command<'ActivateUser'> {
  readonly type = 'ActivateUser';
  constructor(
    readonly data: { readonly userId: string },
    readonly metadata: CommandMetadata,
  ) {}
}

export class DeactivateUser implements Command<'DeactivateUser'> {
  readonly type = 'DeactivateUser';
  constructor(
    readonly data: { readonly userId: string; readonly reason: string },
    readonly metadata: CommandMetadata,
  ) {}
}

export class ChangeUserRole implements Command<'ChangeUserRole'> {
  readonly type = 'ChangeUserRole';
  constructor(
    readonly data: { readonly userId: string; readonly role: UserRole },
    readonly metadata: CommandMetadata,
  ) {}
}

export type UserCommand = InviteUser | ActivateUser | DeactivateUser | ChangeUserRole;
