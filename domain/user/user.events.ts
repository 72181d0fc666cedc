import type { Event, SealedFields } from '../event';

// Stored for ever. Never rename a type or change a field's meaning: add a new event and upcast the old one.

export type UserRole = 'owner' | 'admin' | 'agent' | 'viewer';

export type UserInvited = Event<
  'UserInvited',
  { userId: string; name: string; email: string; role: UserRole }
>;
export type UserActivated = Event<'UserActivated', { userId: string }>;
export type UserDeactivated = Event<'UserDeactivated', { userId: string; reason: string }>;
export type UserRoleChanged = Event<'UserRoleChanged', { userId: string; from: UserRole; to: UserRole }>;

export type UserEvent = UserInvited | UserActivated | UserDeactivated | UserRoleChanged;

export const userSealedFields: SealedFields<UserEvent> = {
  UserInvited: { name: '[erased]', email: '[erased]' },
};
