import { createHash, randomUUID } from 'node:crypto';
import { apiKeyHash, formatApiKey } from '../../../apps/shared/http/api-key';
import { eventually } from '../../support/eventually';
import { QueryApi, ReadSide, seededAt, seedTenant, type SeededTenant } from './read-side';

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
