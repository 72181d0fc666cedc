import type { UserEvent } from '../../domain/user/user.events';
import { usersProjection, usersTable } from '../../projections/oltp/users.projection';
import { given } from '../support/projection-spec';
import { idOf, RecordedLog } from '../support/recorded-log';

const userId = idOf('ana');
const invited = {
  type: 'UserInvited',
  data: { userId, name: 'Ana', email: 'ana@acme.example', role: 'agent' },
} satisfies UserEvent;
const row = {
  id: userId,
  name: 'Ana',
  email: 'ana@acme.example',
  role: 'agent',
  status: 'invited',
  created: '2026-03-01T10:00:00.000Z',
  updated: '2026-03-01T10:00:00.000Z',
};
const log = (...events: UserEvent[]) =>
  events.reduce((all, event) => all.add('user', event.data.userId, event), new RecordedLog()).events;

describe('users', () => {
  it('begin as invited', () => {
    given(log(invited)).whenProjectedBy(usersProjection).thenRows(usersTable, [row]);
  });

  it('become active, and are deactivated', () => {
    const activated: UserEvent = { type: 'UserActivated', data: { userId } };
    given(log(invited, activated))
      .whenProjectedBy(usersProjection)
      .thenRows(usersTable, [{ ...row, status: 'active', updated: '2026-03-01T10:01:00.000Z' }]);
    given(log(invited, activated, { type: 'UserDeactivated', data: { userId, reason: 'left' } }))
      .whenProjectedBy(usersProjection)
      .thenRows(usersTable, [{ ...row, status: 'deactivated', updated: '2026-03-01T10:02:00.000Z' }]);
  });

  it('change their role and nothing else', () => {
    given(log(invited, { type: 'UserRoleChanged', data: { userId, from: 'agent', to: 'owner' } }))
      .whenProjectedBy(usersProjection)
      .thenRows(usersTable, [{ ...row, role: 'owner', updated: '2026-03-01T10:01:00.000Z' }]);
  });

  it('do not change one another', () => {
    const ben = { ...invited.data, userId: idOf('ben'), name: 'Ben', email: 'ben@acme.example' };
    given(
      log(
        invited,
        { type: 'UserInvited', data: ben },
        { type: 'UserActivated', data: { userId: ben.userId } },
      ),
    )
      .whenProjectedBy(usersProjection)
      .thenRows(usersTable, [row, expect.objectContaining({ name: 'Ben', status: 'active' }) as object]);
  });
});
