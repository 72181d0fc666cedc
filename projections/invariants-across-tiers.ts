import type { Balance } from './invariant';

/** A message counts on the day it came in, an answer on the day it was sent; days are UTC days. */
const refFigure = (name: string, day: string, where: string): string =>
  `select tenant_id, (${day} at time zone 'UTC')::date || ' ' || email_account_id || ' ${name}' as key, 1 as figure
   from {inbox_message_refs} where ${where}`;
const dayFigure = (name: string, column: string): string =>
  `select tenant_id, day || ' ' || email_account_id || ' ${name}' as key, ${column} as figure from {daily_analytics}`;

/** Tiers read the same log, so at one position they tell of the same messages. */
export const balancesAcrossTiers: readonly Balance[] = [
  {
    name: 'every message has its content',
    left: {
      tier: 'oltp',
      sql: `select tenant_id, id || ' ' || content_storage_key as key, 1 as figure from {inbox_message_refs}`,
    },
    right: {
      tier: 'content',
      sql: `select tenant_id, message_id || ' ' || storage_key as key, 1 as figure from {content_objects}`,
    },
    leftMayLackContent: true,
  },
  {
    name: 'the days count the messages that there are',
    left: {
      tier: 'oltp',
      sql: [
        refFigure('received', 'processed', `status = 'received'`),
        refFigure('sent', 'created', `status = 'submitted'`),
        refFigure('parked', 'processed', `status = 'parked'`),
        refFigure('bounces', 'processed', `status = 'received' and message_type = 'bounce'`),
        refFigure('auto-replies', 'processed', `status = 'received' and message_type = 'auto_reply'`),
      ].join(' union all '),
    },
    right: {
      tier: 'olap',
      sql: [
        dayFigure('received', 'messages_received'),
        dayFigure('sent', 'messages_sent'),
        dayFigure('parked', 'messages_parked'),
        dayFigure('bounces', 'bounces_received'),
        dayFigure('auto-replies', 'auto_replies_received'),
      ].join(' union all '),
    },
  },
];
