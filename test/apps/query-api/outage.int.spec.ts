import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { startEmbeddedRedis } from '../../../apps/shared/embedded/embedded-redis';
import { describeWithRedisServer } from '../../support/redis-server';
import { eventually } from '../../support/eventually';
import { QueryApi } from './query-api';
import { ReadSide } from './read-side';
import { seedTenant, type SeededTenant } from './seeded-tenant';

let side: ReadSide;
let acme: SeededTenant;

beforeAll(async () => {
  side = await ReadSide.start();
  acme = await seedTenant(side);
});

afterAll(() => side?.stop());

async function withApi(env: Record<string, string>, work: (api: QueryApi) => Promise<void>): Promise<void> {
  const api = await QueryApi.start(side, { READ_TIMEOUT_MS: '500', ...env });
  try {
    await work(api);
  } finally {
    await api.process.stop();
  }
}

const inbox = '/v1/conversations';
const analytics = '/v1/analytics/daily?from=2026-11-20&to=2026-11-20';

describe('a tier whose database is away', () => {
  it('takes its own routes along and no others', async () => {
    const nowhere = 'postgresql:///content?host=/nonexistent';
    await withApi({ CONTENT_DATABASE_URL: nowhere }, async (api) => {
      const { status, headers, json } = await api.get(`/v1/messages/${acme.messageId}`, acme.key);
      expect([status, headers.get('retry-after')]).toEqual([503, '1']);
      expect(json['detail']).not.toContain('nonexistent');
      expect((await api.get(inbox, acme.key)).status).toBe(200);
      expect((await api.get(analytics, acme.key)).status).toBe(200);
      const { json: standing } = await api.get('/v1/status', acme.key);
      expect(standing.tiers.map(({ tier, state }) => [tier, state])).toEqual([
        ['oltp', 'serving'],
        ['content', 'unavailable'],
        ['olap', 'serving'],
      ]);
      expect((await api.get('/readyz')).status).toBe(200);
    });
  });

  it('ends its requests within the time they have, when it is only frozen', async () => {
    await withApi({}, async (api) => {
      expect((await api.get(inbox, acme.key)).status).toBe(200);
      await whileLocked(side.urlOf('content'), 'g1.content_objects', async () => {
        const startedAt = Date.now();
        const answers = await Promise.all(
          Array.from({ length: 20 }, () => api.get(`/v1/messages/${acme.messageId}/raw`, acme.key)),
        );
        expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([503]));
        expect(Date.now() - startedAt).toBeLessThan(3_000);
        expect((await api.get(analytics, acme.key)).status).toBe(200);
      });
      await eventually(async () =>
        expect((await api.get(`/v1/messages/${acme.messageId}/raw`, acme.key)).status).toBe(200),
      );
    });
  });

  it('lets known keys into the other tiers, when it is the one that knows the keys', async () => {
    await withApi({}, async (api) => {
      expect((await api.get(analytics, acme.key)).status).toBe(200);
      await whileLocked(side.urlOf('oltp'), 'g1.api_keys', async () => {
        // Past the 5 s for which a key is not asked for again.
        const until = Date.now() + 6_000;
        for (; Date.now() < until; await delay(50))
          expect((await api.get(analytics, acme.key)).status).toBe(200);
        const unknown = `${acme.key.slice(0, 40)}BBBB${acme.key.slice(44)}`;
        expect((await api.get(analytics, unknown)).status).toBe(503);
      });
    });
  });
});

describe('a PostgreSQL that is killed', () => {
  it('is answered for with 503, and read again once it is back, by the same process', async () => {
    await withApi({}, async (api) => {
      expect((await api.get(`${inbox}?status=spam`, acme.key)).status).toBe(200);
      process.kill(side.postgres.server.pid, 'SIGKILL');
      await eventually(async () => {
        const { status, headers } = await api.get('/v1/users', acme.key);
        expect([status, headers.get('retry-after')]).toEqual([503, '1']);
      });
      expect((await api.get('/healthz')).status).toBe(200);
      expect((await api.get('/readyz')).status).toBe(503);
      await side.postgres.server.restart();
      await side.reconnect();
      await eventually(async () => expect((await api.get('/v1/users', acme.key)).status).toBe(200));
      await eventually(async () => expect((await api.get('/readyz')).status).toBe(200));
      expect(api.process.output()).not.toMatch(/unhandled rejection|uncaught/);
    });
  });
});

describe('starting', () => {
  it('is refused over a table that would show a tenant the rows of another', async () => {
    await side.query('olap', 'create table g1.leak (tenant_id uuid not null)');
    try {
      await expect(QueryApi.start(side)).rejects.toThrow(/table leak lacks forced row-level security/);
    } finally {
      await side.query('olap', 'drop table g1.leak');
    }
  });

  it('is possible while no tier is there yet', async () => {
    await withApi({ CONTROL_DATABASE_URL: 'postgresql:///control?host=/nonexistent' }, async (api) => {
      expect((await api.get('/healthz')).status).toBe(200);
      expect((await api.get('/readyz')).status).toBe(503);
      expect((await api.get(inbox, acme.key)).status).toBe(503);
    });
  });

  it('is refused in one line that names what is missing', async () => {
    await expect(QueryApi.start(side, { OLAP_DATABASE_URL: '', REDIS_URL: 'what' })).rejects.toThrow(
      /ended with 2 before it was ready:\nConfiguration: OLAP_DATABASE_URL is not set; REDIS_URL is invalid/,
    );
  });
});

describeWithRedisServer('Redis', () => {
  it('serves cached answers, and its death makes reads slower only', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'mfr-'));
    const redis = await startEmbeddedRedis({ dataDir });
    if (redis === null) throw new Error('redis-server is on PATH and did not start');
    try {
      await withApi({ REDIS_URL: redis.url }, async (api) => {
        const rename = (subject: string): Promise<object[]> =>
          side.query('oltp', `update g1.conversations set subject = $1 where id = $2`, [
            subject,
            acme.conversationId,
          ]);
        const shown = async (): Promise<unknown> => (await api.get(inbox, acme.key)).json.items[0]?.subject;
        await eventually(async () => {
          expect((await api.get('/healthz')).json['cache']).toEqual({ kind: 'redis', answers: true });
        });
        await rename('cached');
        await side.commit('oltp', 1_000, [acme.tenantId]);
        await api.get(`${inbox}?after=1000`, acme.key);
        await rename('behind its back');
        await eventually(async () => expect(await shown()).toBe('cached'));
        await withApi({ REDIS_URL: redis.url }, async (another) => {
          await eventually(async () =>
            expect((await another.get(inbox, acme.key)).json.items[0]?.subject).toBe('cached'),
          );
        });
        process.kill(redis.pid, 'SIGKILL');
        const startedAt = Date.now();
        expect(await shown()).toBe('behind its back');
        expect(Date.now() - startedAt).toBeLessThan(1_000);
        expect((await api.get('/healthz')).status).toBe(200);
      });
    } finally {
      await redis.stop();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });
});

async function whileLocked(url: string, table: string, work: () => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('begin');
    await client.query(`lock table ${table} in access exclusive mode`);
    await work();
  } finally {
    await client.end();
  }
}
