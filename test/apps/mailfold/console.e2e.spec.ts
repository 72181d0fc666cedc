import { importSample } from '../../e2e/mailfold-process';
import { WholeSystem } from '../../e2e/whole-system';
import { eventually } from '../../support/eventually';

/** A whole rebuild over HTTP, on one running system; each test finds it as the one before has left it. */
describe('the console', () => {
  let system: WholeSystem;
  let env: WholeSystem['env'];

  beforeAll(async () => {
    system = await WholeSystem.start();
    env = system.env;
    await importSample(system);
  }, 120_000);
  afterAll(() => system?.stop(), 30_000);

  async function ask(
    method: 'GET' | 'POST',
    path: string,
    body?: object,
    key = env['MAILFOLD_ADMIN_KEY'],
  ): Promise<{ status: number; type: string | null; body: Record<string, unknown> }> {
    const response = await fetch(`${env['CONSOLE_URL']}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    return { status: response.status, type: response.headers.get('content-type'), body: answer };
  }

  it("lets nobody in without the operator's key", async () => {
    expect(await ask('GET', '/v1/runs', undefined, env['MAILFOLD_API_KEY'])).toMatchObject({
      status: 401,
      body: { type: 'urn:mailfold:problem:unauthenticated' },
    });
  });

  it('names the field that is wrong, the run that is not there, and the step that comes too early', async () => {
    expect(await ask('POST', '/v1/runs', { kind: 'rebuild', tiers: ['inbox'] })).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'tiers' }] },
    });
    expect(await ask('POST', '/v1/runs', { kind: 'repartition', tiers: ['oltp'] })).toMatchObject({
      status: 400,
      body: { errors: [{ detail: 'a re-partition takes one of shards, tenant and history partitions' }] },
    });
    expect(await ask('POST', '/v1/runs', { kind: 'rebuild', tiers: ['oltp'], estimate: 'no' })).toMatchObject(
      {
        status: 400,
        body: { errors: [{ field: 'estimate' }] },
      },
    );
    expect(await ask('GET', '/v1/runs/77')).toMatchObject({
      status: 404,
      type: 'application/problem+json; charset=utf-8',
    });
    const planned = await ask('POST', '/v1/runs', { kind: 'rebuild', tiers: ['oltp'] });
    expect(planned).toMatchObject({
      status: 201,
      body: { run: 1, state: 'planned', generations: [], plan: { estimate: { tables: expect.any(Array) } } },
    });
    expect(await ask('POST', '/v1/runs/1/cutover', {})).toMatchObject({
      status: 409,
      body: {
        next: ['run', 'discard'],
        detail: 'run 1 cannot be cut over: it is planned (nothing is made yet)',
      },
    });
  });

  it('plans, fills, proves, cuts over slot by slot, rolls back and cuts over again', async () => {
    expect(await ask('POST', '/v1/runs/1/start', {})).toMatchObject({ status: 202 });
    await eventually(
      async () =>
        expect((await ask('GET', '/v1/runs/1')).body).toMatchObject({ state: 'loaded', workedOnBy: null }),
      60_000,
    );
    const verified = await ask('POST', '/v1/runs/1/verify');
    expect(verified).toMatchObject({
      status: 200,
      body: { state: 'verified', certificates: { oltp: { holds: true } } },
    });
    expect(await ask('POST', '/v1/runs/1/cutover', { slots: { from: 0, to: 7 } })).toMatchObject({
      status: 200,
      body: { state: 'partial', generations: [{ generation: 2, isLive: true }] },
    });
    expect(await ask('POST', '/v1/runs/1/cutover', {})).toMatchObject({ body: { state: 'serving' } });
    expect(await ask('POST', '/v1/runs/1/rollback')).toMatchObject({
      body: { state: 'rolled-back', generations: [{ isLive: false }] },
    });
    expect(await ask('POST', '/v1/runs/1/verify')).toMatchObject({ body: { state: 'verified' } });
    expect(await ask('POST', '/v1/runs/1/cutover', {})).toMatchObject({ body: { state: 'serving' } });
  });

  it('retires what served before, once, and says the same again', async () => {
    const retired = await ask('POST', '/v1/runs/1/retire');
    expect(retired).toMatchObject({ status: 200, body: { state: 'done', retired: [{ generation: 1 }] } });
    expect(await ask('POST', '/v1/runs/1/retire')).toMatchObject({ body: { state: 'done', retired: [] } });
    const { body } = await ask('GET', '/v1/runs/1');
    const actions = (body['journal'] as { action: string }[]).map(({ action }) => action);
    expect(actions).toEqual([
      ...['plan', 'start', 'fence', 'load', 'verify', 'cutOver', 'cutOver'],
      ...['rollBack', 'verify', 'cutOver', 'retire'],
    ]);
  });

  it('rebuilds range by range, and shows how far each of them is', async () => {
    const task = { kind: 'rebuild', tiers: ['oltp'], rolling: 2, estimate: false };
    const notBegun = { run: null, state: null };
    expect(await ask('POST', '/v1/runs', task)).toMatchObject({
      status: 201,
      body: {
        run: 2,
        state: 'planned',
        ranges: [
          { ...notBegun, slots: { from: 0, to: 2047 } },
          { ...notBegun, slots: { from: 2048, to: 4095 } },
        ],
      },
    });
    expect(await ask('POST', '/v1/runs/2/start', {})).toMatchObject({ status: 202 });
    await eventually(
      async () =>
        expect((await ask('GET', '/v1/runs/2')).body).toMatchObject({
          state: 'done',
          ranges: [
            { run: 3, state: 'done' },
            { run: 4, state: 'done' },
          ],
        }),
      90_000,
    );
  }, 120_000);

  it('describes every route', async () => {
    const { body } = await ask('GET', '/docs-json');
    expect(Object.keys(body['paths'] as object).sort()).toEqual([
      '/healthz',
      '/v1/runs',
      '/v1/runs/{run}',
      ...['cutover', 'discard', 'pause', 'resume', 'retire', 'rollback', 'start', 'throttle', 'verify'].map(
        (step) => `/v1/runs/{run}/${step}`,
      ),
    ]);
  });
});
