import { eventually } from '../../support/eventually';
import {
  adminKey,
  setUpTenant,
  startCommandSystem,
  type CommandSystem,
  type TenantSetUp,
} from './command-system';

let system: CommandSystem;
let acme: TenantSetUp;
let other: TenantSetUp;

beforeAll(async () => {
  system = await startCommandSystem();
  acme = await setUpTenant(system.api);
  other = await setUpTenant(system.api);
});

afterAll(() => system?.stop());

interface OpenApi {
  paths: Record<string, Record<string, Operation>>;
}

interface Operation {
  security?: object[];
  parameters?: { name: string }[];
  responses: Record<string, { content?: object; headers?: object }>;
}

const everyRoute = [
  'delete /v1/api-keys/{id}',
  'get /healthz',
  'get /readyz',
  'post /v1/api-keys',
  'post /v1/conversations/{id}/messages',
  'post /v1/conversations/{id}/notes',
  'post /v1/conversations/{id}/read',
  'post /v1/conversations/{id}/unread',
  'post /v1/mailboxes',
  'post /v1/mailboxes/{id}/messages',
  'post /v1/tenants',
  'post /v1/users',
  'put /v1/conversations/{id}/assignee',
  'put /v1/conversations/{id}/status',
  'put /v1/mailboxes/{id}/threading-policy',
  'put /v1/users/{id}/role',
  'put /v1/users/{id}/status',
];

const unknownId = '11111111-1111-5111-8111-111111111111';

describe('registering a tenant', () => {
  it('answers its id and a key that works at once', async () => {
    const answer = await system.api('/v1/tenants', {
      key: adminKey,
      json: { name: 'New', timeZone: 'Europe/Paris' },
    });
    expect(answer.status).toBe(201);
    expect(answer.body.apiKey).toMatch(/^mf_[0-9a-f]{32}_[A-Za-z0-9_-]{43}$/);
    expect(answer.headers.get('x-log-position')).toMatch(/^\d+$/);
    const user = await system.api('/v1/users', {
      key: String(answer.body.apiKey),
      json: { name: 'Bo', email: 'bo@new.example', role: 'owner' },
    });
    expect(user.status).toBe(201);
  });

  it('shows the same key again to a retry, from another process too', async () => {
    const headers = { 'idempotency-key': 'register-tenant-0001' };
    const request = { key: adminKey, json: { name: 'Again' }, headers };
    const first = await system.api('/v1/tenants', request);
    await system.apiProcess().stop();
    await system.restartApi();
    const second = await system.api('/v1/tenants', request);
    expect(second.status).toBe(201);
    expect(second.body).toEqual(first.body);
    expect(second.headers.get('x-log-position')).toBe(first.headers.get('x-log-position'));
    const mismatch = await system.api('/v1/tenants', { key: adminKey, json: { name: 'Else' }, headers });
    expect(mismatch.status).toBe(422);
  });

  it('is for the operator alone', async () => {
    const json = { name: 'Mine' };
    expect((await system.api('/v1/tenants', { key: acme.key, json })).status).toBe(401);
    expect((await system.api('/v1/tenants', { json })).status).toBe(401);
  });
});

describe('an API key', () => {
  it('is refused within 5 s of being revoked, though it was known', async () => {
    const issued = await system.api('/v1/api-keys', { key: acme.key, json: { name: 'second' } });
    expect(issued.status).toBe(201);
    const isTaken = async () =>
      (await system.api('/v1/users', { key: String(issued.body.apiKey), json: {} })).status !== 401;
    expect(await isTaken()).toBe(true);
    const revoked = await system.api(`/v1/api-keys/${String(issued.body.apiKeyId)}`, {
      key: acme.key,
      method: 'DELETE',
    });
    expect(revoked.status).toBe(200);
    await eventually(async () => expect(await isTaken()).toBe(false), 6_000);
  });

  it.each([
    ['nothing', ''],
    ['no key', 'hello'],
    ['of an unknown tenant', `mf_${'0'.repeat(32)}_${'A'.repeat(43)}`],
  ])('that is %s is refused', async (_what, key) => {
    const answer = await system.api('/v1/users', { key, json: {} });
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toContain('Bearer');
  });

  it('with one digit of its secret changed is refused', async () => {
    const at = 50;
    const changed = acme.key[at] === 'A' ? 'B' : 'A';
    const key = acme.key.slice(0, at) + changed + acme.key.slice(at + 1);
    expect((await system.api('/v1/users', { key, json: {} })).status).toBe(401);
  });

  it('cannot be made to expire in the past', async () => {
    const json = { name: 'late', expiresAt: '2001-01-01T00:00:00Z' };
    const answer = await system.api('/v1/api-keys', { key: acme.key, json });
    expect(answer.status).toBe(400);
    expect(answer.body.errors).toEqual([{ field: 'expiresAt', detail: expect.any(String) }]);
  });
});

describe('users', () => {
  it('change role and status', async () => {
    const put = (what: string, json: object) =>
      system.api(`/v1/users/${acme.agentId}/${what}`, { key: acme.key, method: 'PUT', json });
    expect((await put('role', { role: 'admin' })).status).toBe(200);
    expect((await put('status', { status: 'deactivated', reason: 'left' })).status).toBe(200);
    const refused = await put('role', { role: 'viewer' });
    expect(refused.status).toBe(409);
    expect(refused.body.code).toBe('USER_DEACTIVATED');
    expect((await put('status', { status: 'active' })).status).toBe(200);
    const repeat = await put('status', { status: 'active' });
    expect(repeat.status).toBe(200);
    expect(repeat.headers.get('x-log-position')).toMatch(/^\d+$/);
  });
});

describe('mailboxes', () => {
  it('change their threading policy', async () => {
    const path = `/v1/mailboxes/${acme.mailboxId}/threading-policy`;
    const json = { threadingPolicy: 'references-and-subject' };
    const answer = await system.api(path, { key: acme.key, method: 'PUT', json });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ mailboxId: acme.mailboxId });
  });
});

describe("another tenant's ids, unknown ids and what is no id", () => {
  const routes: [string, (id: string) => string, object | undefined, keyof TenantSetUp][] = [
    ['PUT', (id) => `/v1/users/${id}/role`, { role: 'viewer' }, 'agentId'],
    ['PUT', (id) => `/v1/users/${id}/status`, { status: 'active' }, 'agentId'],
    ['PUT', (id) => `/v1/mailboxes/${id}/threading-policy`, { threadingPolicy: 'references' }, 'mailboxId'],
    ['DELETE', (id) => `/v1/api-keys/${id}`, undefined, 'agentId'],
  ];

  it.each(routes)('are all the same 404 to %s %s', async (method, path, json, idName) => {
    const answers = [];
    for (const id of [other[idName], unknownId, 'x', '%00']) {
      const answer = await system.api(path(id), { key: acme.key, method, ...(json ? { json } : {}) });
      expect(answer.status).toBe(404);
      answers.push({ ...answer.body, instance: '' });
    }
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
  });
});

describe('bad input', () => {
  it.each<[string, string, object, string[]]>([
    ['/v1/users', 'all missing', {}, ['email', 'name', 'role']],
    [
      '/v1/users',
      'unknown fields',
      { name: 'A', email: 'a@b.example', role: 'agent', tenantId: 'x', admin: 1 },
      ['admin', 'tenantId'],
    ],
    ['/v1/users', 'wrong types', { name: 1, email: [], role: {} }, ['email', 'name', 'role']],
    [
      '/v1/mailboxes',
      'a wrong address and policy',
      { name: 'A', address: 'x', threadingPolicy: 'y' },
      ['address', 'threadingPolicy'],
    ],
    ['/v1/api-keys', 'a long name', { name: 'a'.repeat(201) }, ['name']],
  ])('%s with %s names each field', async (path, _what, json, fields) => {
    const answer = await system.api(path, { key: acme.key, json });
    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    const named = (answer.body.errors as { field: string }[]).map(({ field }) => field);
    expect(named.sort()).toEqual(fields);
  });

  it.each(['short', 'a'.repeat(129), 'with a space in it'])(
    'the Idempotency-Key %j is refused',
    async (value) => {
      const headers = { 'idempotency-key': value };
      const answer = await system.api('/v1/mailboxes', {
        key: acme.key,
        headers,
        json: { name: 'A', address: 'a@b.example' },
      });
      expect(answer.status).toBe(400);
      expect(answer.body.errors).toEqual([{ field: 'Idempotency-Key', detail: expect.any(String) }]);
    },
  );
});

describe('the process', () => {
  it('is alive and ready', async () => {
    expect((await system.api('/healthz')).body).toEqual({ status: 'ok' });
    expect((await system.api('/readyz')).body).toEqual({ status: 'ok' });
  });

  it('describes every route with its key, its headers and its problems', async () => {
    const { body } = await system.api('/docs-json');
    const described = body as unknown as OpenApi;
    const routes = Object.entries(described.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ route: `${method} ${path}`, operation })),
    );
    expect(routes.map(({ route }) => route).sort()).toEqual(everyRoute);
    for (const { route, operation } of routes.filter(({ route: name }) => name.includes('/v1/'))) {
      const headers = (operation.parameters ?? []).map(({ name }) => name);
      expect([route, headers]).toEqual([route, expect.arrayContaining(['Idempotency-Key'])]);
      expect([route, operation.security]).toEqual([route, [expect.any(Object)]]);
      for (const status of ['400', '401', '422', '503']) {
        expect([route, operation.responses[status]?.content]).toEqual([
          route,
          { 'application/problem+json': expect.any(Object) },
        ]);
      }
      const successes = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'));
      for (const [, answer] of successes)
        expect(Object.keys(answer.headers ?? {})).toContain('X-Log-Position');
    }
    expect((await system.api('/docs')).status).toBe(200);
  });
});
