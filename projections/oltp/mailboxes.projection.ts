import type { Recorded } from '../../domain/event';
import type { MailboxEvent, ThreadingPolicy } from '../../domain/mailbox/mailbox.events';
import { isOneOf } from '../events-of';
import {
  rowOperation,
  type ProjectedEvent,
  type Projection,
  type RowOperation,
  type Table,
} from '../projection';
import { instant } from '../storable';

export interface MailboxRow {
  readonly id: string;
  readonly name: string;
  readonly address: string;
  readonly threading_policy: ThreadingPolicy;
  readonly created: string;
  readonly updated: string;
}

export const mailboxesTable: Table<MailboxRow> = {
  name: 'mailboxes',
  primaryKey: ['id'],
  slotColumn: 'id',
  columns: {
    id: 'uuid',
    name: 'text',
    address: 'text',
    threading_policy: 'text',
    created: 'timestamptz',
    updated: 'timestamptz',
  },
};

const mailboxEventTypes = ['MailboxConnected', 'MailboxThreadingPolicyChanged'] as const;

/** The addresses a tenant receives mail at. */
export const mailboxesProjection: Projection = {
  name: 'mailboxes',
  tables: [mailboxesTable],
  project(event: ProjectedEvent): RowOperation[] {
    return isOneOf(mailboxEventTypes, event) ? [changeOf(event)] : [];
  },
};

function changeOf(event: Recorded<MailboxEvent>): RowOperation {
  const owner = { tenantId: event.metadata.tenantId, slotEntityId: event.data.mailboxId };
  return rowOperation(mailboxesTable, owner, [event.data.mailboxId], (row) => mailboxAfter(event, row));
}

function mailboxAfter(event: Recorded<MailboxEvent>, row: MailboxRow | null): MailboxRow | null {
  const updated = instant(event.metadata.occurredAt);
  switch (event.type) {
    case 'MailboxConnected': {
      const { mailboxId, name, address, threadingPolicy } = event.data;
      return { id: mailboxId, name, address, threading_policy: threadingPolicy, created: updated, updated };
    }
    case 'MailboxThreadingPolicyChanged':
      return row && { ...row, threading_policy: event.data.to, updated };
  }
}
