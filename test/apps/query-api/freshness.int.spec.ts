import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually';
import { apiKeyHash, parseApiKey } from '../../../apps/shared/http/api-key';
import { QueryApi } from './query-api';
import { ReadSide } from './read-side';
import { seededAt, seedTenant, type SeededTenant } from './seeded-tenant';

let side: ReadSide;
let api: QueryApi;
let acme: SeededTenant;
let position = 0;
let live = 1;

beforeAll(async () => {
  side = await ReadSide.start();
  acme = await seedTenant(side);
  api = await QueryApi.start(side, { AFTER_WAIT_MAX_MS: '2500' });
});

afterAll(async () => {
  await api?.process.stop();
  await side?.stop();
});

beforeEach(async () => {
  // Nothing that a test before has cached counts from here on, and everybody listens.
  position += 100;
  await side.commit('oltp', position, [acme.tenantId], { generation: live });
  await api.get(`/v1/users?after=${position}`, acme.key);
  await eventually(async () => {
    const { json } = await api.get('/v1/status', acme.key);
    expect(json.tiers.map(({ listening }) => listening)).toEqual([true, true, true]);
  });
});

const list = '/v1/conversations';
const rename = (subject: string, generation = 1): string =>
  `update g${generation}.conversations set subject = '${subject}' where tenant_id = '${acme.tenantId}' and id = '${acme.conversationId}'`;

async function shownSubject(path = list): Promise<string | undefined> {
  const { json } = await api.get(path, acme.key);
  return json.items[0]?.subject;
}

describe('a read after a position', () => {
  it.each(['?after', 'X-Read-After'])('waits until its tier is there (%s)', async (how) => {
    const after = position + 50;
    const [path, headers] =
      how === '?after' ? [`${list}?after=${after}`, {}] : [list, { 'x-read-after': String(after) }];
    let answered = false;
    const reading = api.get(path, acme.key, headers).finally(() => (answered = true));
    // Commits that do not reach it wake nobody up for good.
    await side.commit('oltp', after - 1, [acme.tenantId]);
    await api.get(`${list}?after=${after - 1}`, acme.key);
    expect(answered).toBe(false);
    await side.commit('oltp', after, [acme.tenantId], { rows: [rename(`after ${how}`)] });
    const { status, json, headers: answerHeaders } = await reading;
    expect([status, json.items[0]?.subject]).toEqual([200, `after ${how}`]);
    expect(answerHeaders.get('x-read-model-position')).toBe(String(after));
  });

  it('finds the position by looking, when the notice was lost', async () => {
    const after = position + 50;
    const reading = api.get(`${list}?after=${after}`, acme.key);
    await side.commit('oltp', after, [acme.tenantId], { rows: [rename('unannounced')], silent: true });
    const { status, json } = await reading;
    expect([status, json.items[0]?.subject]).toEqual([200, 'unannounced']);
  });

  it('answers 503 with Retry-After when its time is up', async () => {
    const startedAt = Date.now();
    const { status, headers, json } = await api.get(`${list}?after=${position + 10_000}`, acme.key);
    expect([status, headers.get('retry-after'), json['type']]).toEqual([
      503,
      '1',
      'urn:mailfold:problem:unavailable',
    ]);
    const waitedMs = Date.now() - startedAt;
    expect(waitedMs).toBeGreaterThanOrEqual(2_400);
    expect(waitedMs).toBeLessThan(5_000);
  });

  it('waits for every tier its answer is made of', async () => {
    const both = api.get(`/v1/parked?after=${position}`, acme.key);
    await side.commit('content', position, [acme.tenantId]);
    expect((await both).status).toBe(200);
    // The OLAP tier still stands at 0, and its route is the only one to wait for it.
    expect(
      (await api.get(`/v1/analytics/daily?from=2026-11-20&to=2026-11-20&after=1`, acme.key)).status,
    ).toBe(503);
  });

  it('takes no connection while it waits, however many do', async () => {
    let answered = 0;
    const waiting = Array.from({ length: 100 }, async () => {
      const answer = await api.get(`${list}?after=${position + 50}`, acme.key);
      answered += 1;
      return answer;
    });
    expect((await api.get('/v1/users', acme.key)).status).toBe(200);
    expect(answered).toBe(0);
    await side.commit('oltp', position + 50, [acme.tenantId]);
    const answers = await Promise.all(waiting);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  });

  it('waits for its key as well, when that was issued at the position', async () => {
    const key = `${acme.key.slice(0, 40)}BBBB${acme.key.slice(44)}`;
    const hash = apiKeyHash(parseApiKey(key)?.secret ?? Buffer.alloc(0));
    expect((await api.get(list, key)).status).toBe(401);
    const reading = api.get(`${list}?after=${position + 50}`, key);
    await side.commit('oltp', position + 50, [acme.tenantId], {
      rows: [
        `insert into g1.api_keys (tenant_id, id, slot, name, key_hash, created, log_position)
         values ('${acme.tenantId}', gen_random_uuid(), 0, 'new', '${hash}', '${seededAt}', 0)`,
      ],
    });
    expect((await reading).status).toBe(200);
  });
});

describe('the cache', () => {
  it('answers without the database until a commit touches the tenant, and never after', async () => {
    const other = await seedTenant(side);
    await side.query('oltp', rename('first'));
    await side.commit('oltp', position + 1, [acme.tenantId]);
    expect(await shownSubject(`${list}?after=${position + 1}`)).toBe('first');
    // Behind the projector's back, so that only a cached answer can still be the old one.
    await side.query('oltp', rename('second'));
    expect(await shownSubject()).toBe('first');
    await side.commit('oltp', position + 2, [other.tenantId]);
    expect((await api.get(`${list}?after=${position + 2}`, other.key)).status).toBe(200);
    expect(await shownSubject()).toBe('first');
    await side.commit('oltp', position + 3, [acme.tenantId]);
    expect(await shownSubject(`${list}?after=${position + 3}`)).toBe('second');
    expect(await shownSubject()).toBe('second');
  });

  it('never gives a reader less than the position it names, whatever was heard', async () => {
    for (let n = 1; n <= 30; n++) {
      const silent = n % 3 === 0;
      await shownSubject();
      await side.commit('oltp', position + n, [acme.tenantId], { rows: [rename(`round ${n}`)], silent });
      const { json, headers } = await api.get(`${list}?after=${position + n}`, acme.key);
      expect(json.items[0]?.subject).toBe(`round ${n}`);
      expect(Number(headers.get('x-read-model-position'))).toBeGreaterThanOrEqual(position + n);
    }
  });

  it('is fresh within a second after a commit, without any position', async () => {
    await shownSubject();
    await side.commit('oltp', position + 1, [acme.tenantId], { rows: [rename('told')] });
    await eventually(async () => expect(await shownSubject()).toBe('told'), 1_000);
  });

  it('takes a notice that names no tenant as one that may touch all', async () => {
    await shownSubject();
    await side.query('oltp', rename('everybody'));
    await side.query('oltp', `update g1.checkpoints set commit_position = $1`, [position + 1]);
    await side.query('oltp', `select pg_notify('mailfold_oltp', $1)`, [
      JSON.stringify({ schema: 'g1', lane: 0, position: String(position + 1), tenants: null }),
    ]);
    await eventually(async () => expect(await shownSubject()).toBe('everybody'), 1_000);
  });

  it('trusts nothing from before a gap in listening', async () => {
    await shownSubject();
    await side.query(
      'oltp',
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mailfold-query-oltp-listen'`,
    );
    await side.commit('oltp', position + 1, [acme.tenantId], { rows: [rename('in the gap')], silent: true });
    await eventually(async () => expect(await shownSubject()).toBe('in the gap'), 2_000);
  });

  it('finds a lost notice by itself within the heartbeat', async () => {
    // Into the cache, where the lost notice would leave it.
    expect(await shownSubject()).toEqual(expect.any(String));
    await side.commit('oltp', position + 1, [acme.tenantId], { rows: [rename('lost')], silent: true });
    await eventually(async () => expect(await shownSubject()).toBe('lost'), 7_000);
  });
});

describe('lanes that are divided', () => {
  it('hold a read back until the slower one is there as well, from the first moment on', async () => {
    const [schema, after] = [`g${live}`, position + 50];
    await api.get(list, acme.key);
    await side.query('oltp', `update ${schema}.checkpoints set slot_to = 99`);
    await side.query(
      'oltp',
      `insert into ${schema}.checkpoints (lane, slot_from, slot_to, commit_position) values (1, 100, 4095, $1)`,
      [position],
    );
    await side.query('oltp', `update ${schema}.checkpoints set commit_position = $1 where lane = 0`, [after]);
    await side.query('oltp', `select pg_notify('mailfold_oltp', $1)`, [
      JSON.stringify({ schema, lane: 0, position: String(after), tenants: [acme.tenantId] }),
    ]);
    let isAnswered = false;
    const reading = api.get(`${list}?after=${after}`, acme.key).finally(() => (isAnswered = true));
    await delay(200);
    expect(isAnswered).toBe(false);
    await side.query('oltp', `delete from ${schema}.checkpoints where lane = 1`);
    await side.query('oltp', `update ${schema}.checkpoints set slot_to = 4095`);
    expect((await reading).headers.get('x-read-model-position')).toBe(String(after));
  });
});

describe('a switch of the generation', () => {
  it('keeps the meaning of a position, and a reader who waits on one goes on waiting in the new one', async () => {
    await copyGeneration('second');
    const waiting = api.get(`${list}?after=${position + 50}`, acme.key);
    await side.query('oltp', 'update g2.checkpoints set commit_position = $1', [position + 50]);
    await switchTo(2);
    const { status, json } = await waiting;
    expect(status).toBe(200);
    expect(json.items[0]?.subject).toMatch(/^second/);
  });

  it('takes no reader back: what serves next is waited for until it knows what was shown', async () => {
    await copyGeneration('behind', { position: position - 50 });
    const { headers } = await api.get(list, acme.key);
    expect(headers.get('x-read-model-position')).toBe(String(position));
    await switchTo(live + 1);
    // Heard of, and not there yet.
    await eventually(async () => {
      const { json } = await api.get('/v1/status', acme.key);
      expect(json.tiers[0]).toMatchObject({ tier: 'oltp', state: 'unavailable' });
    });
    let isAnswered = false;
    const reading = api.get(list, acme.key).finally(() => (isAnswered = true));
    await delay(200);
    expect(isAnswered).toBe(false);
    await side.commit('oltp', position, [acme.tenantId], { generation: live });
    const answer = await reading;
    expect([answer.status, answer.json.items[0]?.subject]).toEqual([200, 'behind']);
    expect(answer.headers.get('x-read-model-position')).toBe(String(position));
  });

  it('is seen by concurrent reads as a whole, without an error, also when the old one is dropped at once', async () => {
    await copyGeneration('new');
    const [from, to] = [live, live + 1];
    const answers: { status: number; marks: Set<string> }[] = [];
    let reading = true;
    const readers = Array.from({ length: 8 }, async () => {
      while (reading) {
        const { status, json } = await api.get(
          `/v1/conversations/${acme.conversationId}?limit=${1 + (answers.length % 200)}`,
          acme.key,
        );
        const marks = [json.conversation?.subject, json.messages?.[0]?.subject, json.notes?.[0]?.text];
        answers.push({
          status,
          marks: new Set(marks.map((mark) => (mark?.startsWith('new') ? 'new' : 'old'))),
        });
      }
    });
    await eventually(() => expect(answers.length).toBeGreaterThan(50));
    await switchTo(to);
    await side.query('oltp', `drop schema g${from} cascade`);
    await eventually(() => expect(answers.at(-1)?.marks).toEqual(new Set(['new'])));
    reading = false;
    await Promise.all(readers);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    expect(answers.filter(({ marks }) => marks.size !== 1)).toEqual([]);
  });
});

async function switchTo(generation: number): Promise<void> {
  await side.switchPointer('oltp', generation);
  live = generation;
}

/** The next generation, with the rows of the one before, each marked as its own. */
async function copyGeneration(mark: string, at: { position: number } = { position }): Promise<void> {
  const [from, to] = [live, live + 1];
  await side.createGeneration('oltp', to, at.position);
  const tables = ['api_keys', 'users', 'conversations', 'conversation_notes', 'inbox_message_refs'];
  for (const table of tables) {
    await side.query('oltp', `insert into g${to}.${table} select * from g${from}.${table}`);
  }
  await side.query('oltp', `update g${to}.conversations set subject = '${mark}'`);
  await side.query('oltp', `update g${to}.conversation_notes set body = '${mark}'`);
  await side.query('oltp', `update g${to}.inbox_message_refs set subject = '${mark}'`);
}
