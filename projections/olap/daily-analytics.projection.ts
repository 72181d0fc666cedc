import {
  rowOperation,
  type ProjectedEvent,
  type Projection,
  type RowOperation,
  type Table,
} from '../projection';
import { instant } from '../storable';

interface Counts {
  readonly messages_received: number;
  readonly messages_sent: number;
  readonly bounces_received: number;
  readonly auto_replies_received: number;
  readonly messages_parked: number;
  readonly bytes_received: number;
  readonly conversations_opened: number;
  readonly conversations_resolved: number;
  readonly conversations_merged: number;
  readonly notes_added: number;
  readonly assignments: number;
}

export type DailyAnalyticsRow = Counts & { readonly day: string; readonly email_account_id: string };

type Sums = { -readonly [Column in keyof DailyAnalyticsRow]: DailyAnalyticsRow[Column] };

export const dailyAnalyticsTable: Table<DailyAnalyticsRow> = {
  name: 'daily_analytics',
  primaryKey: ['day', 'email_account_id'],
  partitionedBy: 'day',
  slotColumn: 'email_account_id',
  columns: {
    day: 'date',
    email_account_id: 'uuid',
    messages_received: 'integer',
    messages_sent: 'integer',
    bounces_received: 'integer',
    auto_replies_received: 'integer',
    messages_parked: 'integer',
    bytes_received: 'bigint',
    conversations_opened: 'integer',
    conversations_resolved: 'integer',
    conversations_merged: 'integer',
    notes_added: 'integer',
    assignments: 'integer',
  },
};

const nothing: Counts = {
  messages_received: 0,
  messages_sent: 0,
  bounces_received: 0,
  auto_replies_received: 0,
  messages_parked: 0,
  bytes_received: 0,
  conversations_opened: 0,
  conversations_resolved: 0,
  conversations_merged: 0,
  notes_added: 0,
  assignments: 0,
};

/** What happened per UTC day and mailbox (T-17), counted from the events themselves (F-35). */
export const dailyAnalyticsProjection: Projection = {
  name: 'daily-analytics',
  tables: [dailyAnalyticsTable],
  project(event) {
    const counted = countsOf(event);
    return counted ? [added(event, counted.mailboxId, counted.counts)] : [];
  },
};

function countsOf(event: ProjectedEvent): { mailboxId: string; counts: Partial<Counts> } | null {
  if (event.type === 'MessageReceived') {
    const { mailboxId, messageType, content } = event.data;
    const counts = {
      messages_received: 1,
      bytes_received: content.rawSize,
      bounces_received: messageType === 'bounce' ? 1 : 0,
      auto_replies_received: messageType === 'auto_reply' ? 1 : 0,
    };
    return { mailboxId, counts };
  }
  const name = counterOf(event);
  if (!name || !('mailboxId' in event.data)) return null;
  return { mailboxId: event.data.mailboxId, counts: { [name]: 1 } };
}

function counterOf(event: ProjectedEvent): keyof Counts | null {
  if (event.type === 'MessageSubmitted') return 'messages_sent';
  if (event.type === 'MessageParked') return 'messages_parked';
  if (event.type === 'ConversationOpened') return 'conversations_opened';
  if (event.type === 'ConversationMerged') return 'conversations_merged';
  // What a merge carries over was counted when it happened.
  if ('cause' in event.data && event.data.cause === 'merge') return null;
  if (event.type === 'NoteAdded') return 'notes_added';
  if (event.type === 'ConversationAssigned') return 'assignments';
  if (event.type === 'ConversationStatusChanged' && event.data.to === 'resolved')
    return 'conversations_resolved';
  return null;
}

function added(event: ProjectedEvent, mailboxId: string, counts: Partial<Counts>): RowOperation {
  const { tenantId } = event.metadata;
  const day = instant(happenedAt(event)).slice(0, 'YYYY-MM-DD'.length);
  return rowOperation(dailyAnalyticsTable, { tenantId, slotEntityId: mailboxId }, [day, mailboxId], (row) => {
    const sums: Sums = { ...(row ?? nothing), day, email_account_id: mailboxId };
    for (const [name, count] of Object.entries(counts)) sums[name as keyof Counts] += count;
    return sums;
  });
}

/** An imported mail counts on the day it was received, not on the day of its import. */
function happenedAt(event: ProjectedEvent): string {
  if (event.type === 'MessageReceived' || event.type === 'MessageParked') return event.data.receivedAt;
  return event.metadata.occurredAt;
}
