import type { UserEvent, UserRole } from '../../domain/user/user.events';
import type { Recorded } from '../../domain/event';
import {
  rowOperation,
  type ProjectedEvent,
  type Projection,
  type RowOperation,
  type Table,
} from '../projection';
import { isOneOf } from '../events-of';
import { instant } from '../storable';

export interface UserRow {
  readonly id: string;
  readonly name: string;
  readonly email: string;
  readonly role: UserRole;
  readonly status: 'invited' | 'active' | 'deactivated';
  readonly created: string;
  readonly updated: string;
}

export const usersTable: Table<UserRow> = {
  name: 'users',
  primaryKey: ['id'],
  slotColumn: 'id',
  columns: {
    id: 'uuid',
    name: 'text',
    email: 'text',
    role: 'text',
    status: 'text',
    created: 'timestamptz',
    updated: 'timestamptz',
  },
};

const userEventTypes = ['UserInvited', 'UserActivated', 'UserDeactivated', 'UserRoleChanged'] as const;

/** The people of a tenant. */
export const usersProjection: Projection = {
  name: 'users',
  tables: [usersTable],
  project(event: ProjectedEvent): RowOperation[] {
    return isOneOf(userEventTypes, event) ? [changeOf(event)] : [];
  },
};

function changeOf(event: Recorded<UserEvent>): RowOperation {
  const owner = { tenantId: event.metadata.tenantId, slotEntityId: event.data.userId };
  return rowOperation(usersTable, owner, [event.data.userId], (row) => userAfter(event, row));
}

function userAfter(event: Recorded<UserEvent>, row: UserRow | null): UserRow | null {
  const updated = instant(event.metadata.occurredAt);
  switch (event.type) {
    case 'UserInvited': {
      const { userId, name, email, role } = event.data;
      return { id: userId, name, email, role, status: 'invited', created: updated, updated };
    }
    case 'UserActivated':
      return row && { ...row, status: 'active', updated };
    case 'UserDeactivated':
      return row && { ...row, status: 'deactivated', updated };
    case 'UserRoleChanged':
      return row && { ...row, role: event.data.to, updated };
  }
}
