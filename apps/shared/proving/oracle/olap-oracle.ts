import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import type { Recorded } from '../../../../domain/event';
import { isoTime, type OracleRow, type TenantOracle } from './oracle';

interface Day {
  readonly mailboxId: string;
  readonly day: string;
  readonly counts: Map<string, number>;
  position: bigint;
}

const columns = [
  ...['messages_received', 'messages_sent', 'bounces_received', 'auto_replies_received', 'messages_parked'],
  ...['bytes_received', 'conversations_opened', 'conversations_resolved', 'conversations_merged'],
  ...['notes_added', 'assignments'],
];

/** What happened per mailbox and UTC day, counted over all streams of a tenant. */
export const olapOracle: TenantOracle = {
  kind: 'tenants',
  categories: ['message', 'conversation'],
  types: [
    ...['MessageReceived', 'MessageSubmitted', 'MessageParked', 'ConversationOpened', 'ConversationMerged'],
    ...['ConversationStatusChanged', 'ConversationAssigned', 'NoteAdded'],
  ],
  table: 'daily_analytics',
  async rowsOf(tenantId: string, events: AsyncIterable<Recorded<MailfoldEvent>>): Promise<OracleRow[]> {
    const days = new Map<string, Day>();
    for await (const event of events) {
      const found = countsOf(event);
      if (found.length === 0 || !('mailboxId' in event.data)) continue;
      const { mailboxId } = event.data;
      const day = isoTime(timeOf(event)).slice(0, 10);
      const name = `${day} ${mailboxId}`;
      const counted: Day = days.get(name) ?? { mailboxId, day, counts: new Map(), position: event.position };
      for (const [column, by] of found) counted.counts.set(column, (counted.counts.get(column) ?? 0) + by);
      counted.position = event.position;
      days.set(name, counted);
    }
    return [...days.values()].map(({ mailboxId, day, counts, position }) => ({
      ...{ table: 'daily_analytics', tenantId, slotEntityId: mailboxId },
      key: { day, email_account_id: mailboxId },
      values: {
        ...Object.fromEntries(columns.map((column) => [column, counts.get(column) ?? 0])),
        log_position: position.toString(),
      },
    }));
  },
};

/** A mail that is imported counts for the day it came in. */
function timeOf(event: Recorded<MailfoldEvent>): string {
  return 'receivedAt' in event.data ? event.data.receivedAt : event.metadata.occurredAt;
}

/** What a merge carries over to another conversation has been counted once already. */
function countsOf({ type, data }: Recorded<MailfoldEvent>): [string, number][] {
  if ('cause' in data && data.cause === 'merge') return [];
  if (type === 'MessageReceived') {
    const kind = { email: null, bounce: 'bounces_received', auto_reply: 'auto_replies_received' };
    const special = kind[data.messageType];
    const counts: [string, number][] = [
      ['messages_received', 1],
      ['bytes_received', data.content.rawSize],
    ];
    return special === null ? counts : [...counts, [special, 1]];
  }
  if (type === 'ConversationStatusChanged')
    return data.to === 'resolved' ? [['conversations_resolved', 1]] : [];
  const column = simpleCounts.get(type);
  return column === undefined ? [] : [[column, 1]];
}

const simpleCounts: ReadonlyMap<string, string> = new Map([
  ['MessageSubmitted', 'messages_sent'],
  ['MessageParked', 'messages_parked'],
  ['ConversationOpened', 'conversations_opened'],
  ['ConversationMerged', 'conversations_merged'],
  ['ConversationAssigned', 'assignments'],
  ['NoteAdded', 'notes_added'],
]);
