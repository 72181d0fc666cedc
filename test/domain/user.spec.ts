import { ActivateUser, ChangeUserRole, DeactivateUser, InviteUser } from '../../domain/user/user.commands';
import type { UserEvent } from '../../domain/user/user.events';
import { user } from '../../domain/user/user';
import { by } from '../support/commands';
import { specify } from '../support/decider-spec';

const given = specify(user);
const userId = 'ana';
const profile = { userId, name: 'Ana', email: 'ana@acme.example', role: 'agent' } as const;
const invited: UserEvent = { type: 'UserInvited', data: profile };
const activated: UserEvent = { type: 'UserActivated', data: { userId } };
const deactivated: UserEvent = { type: 'UserDeactivated', data: { userId, reason: 'left' } };

describe('a user', () => {
  it('is provisioned by an admin, ready to work', () => {
    given([]).when(new InviteUser(profile, by)).then([invited, activated]);
  });
  it('is deactivated with the reason', () => {
    given([invited, activated])
      .when(new DeactivateUser({ userId, reason: 'left' }, by))
      .then([deactivated]);
  });
  it('can come back', () => {
    given([invited, activated, deactivated]).when(new ActivateUser({ userId }, by)).then([activated]);
  });
  it('changes role', () => {
    given([invited, activated])
      .when(new ChangeUserRole({ userId, role: 'owner' }, by))
      .then([{ type: 'UserRoleChanged', data: { userId, from: 'agent', to: 'owner' } }]);
  });
  it('keeps the role while deactivated', () => {
    given([invited, deactivated])
      .when(new ChangeUserRole({ userId, role: 'owner' }, by))
      .thenRejectedWith('USER_DEACTIVATED');
  });
  it.each([
    new ActivateUser({ userId }, by),
    new DeactivateUser({ userId, reason: 'left' }, by),
    new ChangeUserRole({ userId, role: 'owner' }, by),
  ])('must be known before $type', (command) => {
    given([]).when(command).thenRejectedWith('USER_NOT_FOUND');
  });
});
