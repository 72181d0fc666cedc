import { binaryEvent, jsonEvent, type EventData } from '@eventstore/db-client';
import { randomBytes } from 'node:crypto';
import type { Pool } from 'pg';
import type { MailfoldEvent } from '../../../domain/catalogue.events';
import { streamName } from '../../../domain/stream-name';
import { createEventStore } from '../../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../../apps/shared/event-store/event-store';
import { ensureFirstGeneration } from '../../../apps/shared/generations/generations';
import { createKeyRing } from '../../../apps/shared/keys/key-ring';
import { migrate } from '../../../apps/shared/postgres/migrate';
import { createPool } from '../../../apps/shared/postgres/pool';
import { projectionTiers } from '../../../projections/tiers';
import { at } from '../../support/commands';
import { eventually } from '../../support/eventually';
import { startTestNode, type TestNode } from '../../support/event-store-node';
import { queryAsSuperuser } from '../../support/postgres';
import { startProcess, type TestProcess } from '../../support/processes';
import { idOf } from '../../support/recorded-log';

// Reliability F13 and I14: what nobody can apply is parked with its conversation, in every tier, and all else goes on.

const tenantId = idOf('tenant');
const mailboxId = idOf('mailbox');
const rootKey = randomBytes(32);
const bounds = {
  ...{ applicationName: 'test', maxConnections: 4, connectionTimeoutMs: 5_000 },
  ...{ statementTimeoutMs: 5_000, queryTimeoutMs: 6_000 },
};
const urls: Record<string, string> = {};
const url = (name: string): string => urls[`${name}_DATABASE_URL`] ?? '';

let node: TestNode;
let store: EventStore;
let pools: Pool[];
let projector: TestProcess;

beforeAll(async () => {
  node = await startTestNode();
  for (const name of ['CONTROL', 'KEYS', 'OLTP', 'CONTENT', 'OLAP'])
    urls[`${name}_DATABASE_URL`] = await node.postgres.createDatabase();
  await migrate(url('CONTROL'), 'control');
  await migrate(url('KEYS'), 'keys');
  const [control, keys] = [createPool(url('CONTROL'), bounds), createPool(url('KEYS'), bounds)];
  pools = [control, keys];
  for (const { tier } of projectionTiers) await ensureFirstGeneration(control, url(tier.toUpperCase()), tier);
  const eventStoreUrl = `esdb://127.0.0.1:${node.port()}?tls=false`;
  store = createEventStore({ url: eventStoreUrl, keys: createKeyRing({ pool: keys, rootKey }) });
  projector = await startProcess('apps/projector/main.js', {
    env: { ...urls, EVENTSTORE_URL: eventStoreUrl, MAILFOLD_ROOT_KEY: rootKey.toString('base64') },
  });
});
afterAll(async () => {
  await projector?.stop();
  await store?.close();
  for (const pool of pools ?? []) await pool.end();
  await node?.stop();
});

const streamOf = (name: string): string => streamName('conversation', tenantId, idOf(name));

function opened(name: string, openedAt = at): MailfoldEvent {
  const data = { conversationId: idOf(name), mailboxId, rootNodeId: idOf(`${name} root`), subject: name };
  return { type: 'ConversationOpened', data: { ...data, openedAt } };
}

async function open(name: string): Promise<void> {
  const metadata = {
    ...{ tenantId, schemaVersion: 1, occurredAt: at, actor: { kind: 'system' as const, id: null } },
    ...{ commandId: idOf(name), $correlationId: idOf(name), $causationId: idOf(name) },
  };
  await store.append(streamOf(name), 'no-stream', [
    { id: idOf(`open ${name}`), event: opened(name), metadata },
  ]);
}

const metadata = {
  ...{ tenantId, schemaVersion: 1, occurredAt: at, actor: { kind: 'system', id: null } },
  ...{ commandId: idOf('raw'), $correlationId: idOf('raw'), $causationId: idOf('raw') },
};
const assigned = {
  ...{ mailboxId, assigneeId: idOf('ana'), previousAssigneeId: null, cause: 'manual' },
};
const raw = (type: string, data: Record<string, unknown>, changes: Record<string, unknown> = {}): EventData =>
  jsonEvent({ type, data, metadata: { ...metadata, ...changes } });
const ofConversation = (name: string) => ({ conversationId: idOf(name), ...assigned });

const poison: [name: string, event: EventData, reason: RegExp][] = [
  ['an unknown type', raw('NeverHeardOf', {}), /^unknown event type NeverHeardOf$/],
  [
    'an unknown version',
    raw('ConversationAssigned', ofConversation('an unknown version'), { schemaVersion: 2 }),
    /^unknown version 2 of ConversationAssigned/,
  ],
  ['no version', raw('ConversationAssigned', {}, { schemaVersion: undefined }), /^unknown version undefined/],
  [
    'no JSON',
    binaryEvent({ type: 'ConversationAssigned', data: Buffer.from('{"conver'), metadata }),
    /^the data of ConversationAssigned must be JSON$/,
  ],
  [
    'a missing field',
    raw('ConversationAssigned', { ...ofConversation('a missing field'), assigneeId: undefined }),
    /^assigneeId of ConversationAssigned version 1: /,
  ],
  [
    'a time that is none',
    raw('ConversationOpened', { ...opened('a time that is none', 'NaN').data }),
    /^openedAt of ConversationOpened version 1: /,
  ],
  [
    'another tenant',
    raw('ConversationAssigned', ofConversation('another tenant'), { tenantId: idOf('other') }),
    /another tenant/,
  ],
  [
    'a broken seal',
    raw('NoteAdded', { sealed: randomBytes(60).toString('base64') }),
    /seal|unknown version/i,
  ],
];

async function parkedIn(tier: string): Promise<{ sequence_id: string; reason: string }[]> {
  return queryAsSuperuser(url(tier), 'select sequence_id, reason from g1.parked_sequences order by position');
}

test('each kind of poison is parked with its reason in every tier, and what comes after it is applied', async () => {
  for (const [name] of poison) await open(name);
  for (const [name, event] of poison) await node.client().appendToStream(streamOf(name), event);
  await open('after them all');
  await eventually(async () => {
    const rows = await queryAsSuperuser<{ id: string }>(url('OLTP'), 'select id from g1.conversations');
    expect(rows.map(({ id }) => id)).toContain(idOf('after them all'));
  });
  for (const tier of ['OLTP', 'CONTENT', 'OLAP']) {
    await eventually(async () => expect(await parkedIn(tier)).toHaveLength(poison.length));
    for (const [index, { sequence_id, reason }] of (await parkedIn(tier)).entries()) {
      expect(sequence_id).toBe(idOf(poison[index]?.[0] ?? ''));
      expect(reason).toMatch(poison[index]?.[2] ?? /^$/);
    }
  }
});

test('the ledger counts them like all others, under their own names', async () => {
  const events = 2 * poison.length + 1;
  const count = `select sum(events)::int as events from log_ledger`;
  await eventually(async () => expect(await queryAsSuperuser(url('CONTROL'), count)).toEqual([{ events }]));
  const names = await queryAsSuperuser<{ name: string; events: number }>(
    url('CONTROL'),
    `select name, sum((tally ->> 'events')::int)::int as events
     from log_ledger, jsonb_each(census) as counted (name, tally) group by name`,
  );
  expect(names).toEqual(
    expect.arrayContaining([
      { name: 'NeverHeardOf.v1', events: 1 },
      { name: 'ConversationAssigned.v2', events: 1 },
      { name: 'ConversationAssigned.v?', events: 1 },
    ]),
  );
});

test('health says where the ledger stands', async () => {
  const answer = await fetch(`http://127.0.0.1:${projector.port}/healthz`);
  expect(answer.status).toBe(200);
  expect(await answer.json()).toMatchObject({
    ledger: { position: String(await store.head()), lagSeconds: 0, stoppedBy: null },
  });
});
