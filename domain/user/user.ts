import type { Decider } from '../decider';
import { DomainError } from '../domain-error';
import type { ActivateUser, ChangeUserRole, DeactivateUser, InviteUser, UserCommand } from './user.commands';
import type { UserEvent, UserRole } from './user.events';

export type User =
  | { readonly status: 'unknown' }
  | {
      readonly status: 'invited' | 'active' | 'deactivated';
      readonly userId: string;
      readonly role: UserRole;
    };

type KnownUser = Exclude<User, { status: 'unknown' }>;

export type UserErrorCode = 'USER_NOT_FOUND' | 'USER_DEACTIVATED';

export const user: Decider<User, UserCommand, UserEvent> = {
  initialState: { status: 'unknown' },
  decide(command, state) {
    switch (command.type) {
      case 'InviteUser':
        return invite(command, state);
      case 'ActivateUser':
        return activate(command, state);
      case 'DeactivateUser':
        return deactivate(command, state);
      case 'ChangeUserRole':
        return changeRole(command, state);
    }
  },
  // Replays history that already happened: it never throws and never reads a clock.
  evolve(state, event) {
    switch (event.type) {
      case 'UserInvited':
        return { status: 'invited', userId: event.data.userId, role: event.data.role };
      case 'UserActivated':
        return state.status === 'unknown' ? state : { ...state, status: 'active' };
      case 'UserDeactivated':
        return state.status === 'unknown' ? state : { ...state, status: 'deactivated' };
      case 'UserRoleChanged':
        return state.status === 'unknown' ? state : { ...state, role: event.data.to };
    }
  },
};

function invite({ data: { userId, name, email, role } }: InviteUser, state: User): UserEvent[] {
  if (state.status !== 'unknown') return [];
  return [
    { type: 'UserInvited', data: { userId, name, email, role } },
    { type: 'UserActivated', data: { userId } },
  ];
}

function activate(_command: ActivateUser, state: User): UserEvent[] {
  const { userId, status } = known(state);
  return status === 'active' ? [] : [{ type: 'UserActivated', data: { userId } }];
}

function deactivate({ data: { reason } }: DeactivateUser, state: User): UserEvent[] {
  const { userId, status } = known(state);
  return status === 'deactivated' ? [] : [{ type: 'UserDeactivated', data: { userId, reason } }];
}

function changeRole({ data: { role } }: ChangeUserRole, state: User): UserEvent[] {
  const { userId, status, role: from } = known(state);
  if (from === role) return [];
  if (status === 'deactivated') {
    throw new DomainError<UserErrorCode>('USER_DEACTIVATED', 'A deactivated user has no role to change');
  }
  return [{ type: 'UserRoleChanged', data: { userId, from, to: role } }];
}

function known(state: User): KnownUser {
  if (state.status !== 'unknown') return state;
  throw new DomainError<UserErrorCode>('USER_NOT_FOUND', 'There is no such user');
}
