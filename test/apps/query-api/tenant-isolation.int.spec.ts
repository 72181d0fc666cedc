import { createHash, randomUUID } from 'node:crypto';
import { apiKeyHash, formatApiKey } from '../../../apps/shared/http/api-key';
import { eventually } from '../../support/eventually';
import { QueryApi } from './query-api';
import { ReadSide } from './read-side';
import { seededAt, seedTenant, type SeededTenant } from './seeded-tenant';

const routes: readonly [string, (ids: SeededTenant) => string][] = [
  ['conversation', (ids) => `/v1/conversations/${ids.conversationId}`],
  ['merged conversation', (ids) => `/v1/conversations/${ids.aliasId}`],
  ['message', (ids) => `/v1/messages/${ids.messageId}`],
  ['parked message', (ids) => `/v1/messages/${ids.parkedMessageId}`],
  ['raw message', (ids) => `/v1/messages/${ids.messageId}/raw`],
  ['attachment', (ids) => `/v1/messages/${ids.messageId}/attachments/${ids.attachmentId}`],
  ['agent', (ids) => `/v1/agents/${ids.agentId}/stats`],
];
const lists: readonly [string, (ids: SeededTenant) => string][] = [
  ['inbox', () => '/v1/conversations?status=open,pending,resolved,spam,trash'],
  ['inbox by mailbox', (ids) => `/v1/conversations?mailboxId=${ids.mailboxId}`],
  ['inbox by agent', (ids) => `/v1/conversations?assigneeId=${ids.agentId}`],
  ['agents', () => '/v1/agents/stats'],
  ['analytics', () => '/v1/analytics/daily?from=2026-11-20&to=2026-11-20'],
  [
    'analytics by mailbox',
    (ids) => `/v1/analytics/daily?from=2026-11-20&to=2026-11-20&mailboxId=${ids.mailboxId}`,
  ],
  ['users', () => '/v1/users'],
  ['mailboxes', () => '/v1/mailboxes'],
  ['parked', () => '/v1/parked'],
  ['status', () => '/v1/status'],
];

let side: ReadSide;
let api: QueryApi;
let tenants: SeededTenant[];

beforeAll(async () => {
  side = await ReadSide.start();
  tenants = [];
  for (let n = 0; n < 10; n++) tenants.push(await seedTenant(side));
  // Fewer connections than readers, so that every session serves many tenants in turn.
  api = await QueryApi.start(side, { TIER_CONNECTIONS_MAX: '3' });
});

afterAll(async () => {
  await api?.process.stop();
  await side?.stop();
});

it('holds over sessions that tenants share, with requests that are broken off in between', async () => {
  const paths = (tenant: SeededTenant): string[] => [
    '/v1/conversations',
    `/v1/conversations/${tenant.conversationId}`,
    `/v1/messages/${tenant.messageId}`,
    '/v1/users',
    '/v1/parked',
  ];
  const request = async (n: number): Promise<void> => {
    const tenant = tenants[n % tenants.length];
    if (tenant === undefined) throw new Error('No tenant');
    const path = paths(tenant)[n % 5] ?? '';
    if (n % 7 === 0) {
      await api.abandon(path, tenant.key, n % 4);
      return;
    }
    const { status, text } = await api.get(path, tenant.key);
    expect(status).toBe(200);
    const found = new Set(text.match(/canary-[0-9a-f]{8}/g) ?? []);
    if (path !== '/v1/parked') expect(found).toEqual(new Set([tenant.canary]));
    else expect(text).toContain(tenant.parkedMessageId);
  };
  let next = 0;
  const readers = Array.from({ length: 25 }, async () => {
    while (next < 500) await request(next++);
  });
  await Promise.all(readers);
});

describe('an API key', () => {
  async function issue(tenant: SeededTenant, expiresAt: string | null): Promise<string> {
    const secret = createHash('sha256').update(randomUUID()).digest();
    await side.insert('oltp', 'api_keys', {
      tenant_id: tenant.tenantId,
      id: randomUUID(),
      name: 'another',
      key_hash: apiKeyHash(secret),
      expires_at: expiresAt,
      created: seededAt,
    });
    return formatApiKey({ tenantId: tenant.tenantId, secret });
  }

  it('is refused within 5 s after it was revoked', async () => {
    const [tenant] = tenants;
    if (tenant === undefined) throw new Error('No tenant');
    const key = await issue(tenant, null);
    expect((await api.get('/v1/users', key)).status).toBe(200);
    await side.query('oltp', `update g1.api_keys set revoked_at = now() where name = 'another'`);
    await eventually(async () => expect((await api.get('/v1/users', key)).status).toBe(401), 5_500);
  });

  it('ends on its day, also while it is remembered', async () => {
    const [tenant] = tenants;
    if (tenant === undefined) throw new Error('No tenant');
    const expired = await issue(tenant, '2020-01-01T00:00:00Z');
    expect((await api.get('/v1/users', expired)).status).toBe(401);
    const ending = await issue(tenant, new Date(Date.now() + 1_500).toISOString());
    expect((await api.get('/v1/users', ending)).status).toBe(200);
    await eventually(async () => expect((await api.get('/v1/users', ending)).status).toBe(401), 3_000);
  });
});

describe('another tenant', () => {
  let acme: SeededTenant;
  let other: SeededTenant;
  beforeAll(() => ([acme, other] = tenants as [SeededTenant, SeededTenant]));

  it.each(routes)('of the %s gets the answer of an id that does not exist', async (_what, path) => {
    const random = Object.fromEntries(
      Object.keys(acme).map((name) => [name, randomUUID()]),
    ) as unknown as SeededTenant;
    const own = await api.get(path(acme), acme.key);
    const foreign = await api.get(path(acme), other.key);
    const missing = await api.get(path(random), other.key);
    expect([own.status, foreign.status, missing.status]).toEqual([200, 404, 404]);
    const { instance: _foreign, ...foreignBody } = foreign.json;
    const { instance: _missing, ...missingBody } = missing.json;
    expect(foreignBody).toEqual(missingBody);
    expect(foreign.text).not.toContain(acme.canary);
  });

  it.each(lists)('sees nothing of it in the list: %s', async (_what, path) => {
    const foreign = await api.get(path(acme), other.key);
    expect(foreign.status).toBe(200);
    for (const secret of [
      acme.canary,
      acme.conversationId,
      acme.messageId,
      acme.agentId,
      acme.parkedMessageId,
    ]) {
      expect(foreign.text).not.toContain(secret);
    }
  });

  it('sees no figures of it', async () => {
    const path = `/v1/analytics/daily?from=2026-11-20&to=2026-11-20&mailboxId=${acme.mailboxId}`;
    expect((await api.get(path, other.key)).json.items[0]?.['messagesReceived']).toBe(0);
  });
});
