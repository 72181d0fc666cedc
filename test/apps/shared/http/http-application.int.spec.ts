import { connect, type Server } from 'node:net';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Body, Controller, Get, Module, Post, Req } from '@nestjs/common';
import { RouteConfig, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { IsIn, IsString } from 'class-validator';
import type { FastifyRequest } from 'fastify';
import { principalOf } from '../../../../apps/shared/http/access';
import { createHttpApplication, listen } from '../../../../apps/shared/http/http-application';
import { ProblemError } from '../../../../apps/shared/http/problem';
import { takeBytes } from '../../../../apps/shared/http/request-body';
import { eventually } from '../../../support/eventually';
import { createLog } from '../../../../apps/shared/process/log';

class PaintBody {
  @IsString()
  name!: string;
  @IsIn(['red', 'blue'])
  colour!: string;
}

@Controller()
class PaintController {
  @Get('open')
  @RouteConfig({ access: 'public' })
  open(): object {
    return { open: true };
  }

  @Get('of/:painter')
  @RouteConfig({ access: 'public' })
  of(): object {
    return {};
  }

  @Get('operators')
  @RouteConfig({ access: 'operator' })
  operators(): object {
    return { operator: true };
  }

  @Get('mine')
  mine(@Req() request: FastifyRequest): object {
    return { ...principalOf(request) };
  }

  @Post('paint')
  paint(@Body() body: PaintBody, @Req() request: FastifyRequest): object {
    return { ...body, bodySha256: request.bodySha256 };
  }

  @Post('bytes')
  @RouteConfig({ consumes: 'message/rfc822' })
  bytes(@Body() body: Buffer): object {
    return { bytes: body.length };
  }

  @Get('fault')
  @RouteConfig({ access: 'public' })
  fault(): never {
    throw new Error('secret words of the inside');
  }

  @Get('refusal')
  @RouteConfig({ access: 'public' })
  refusal(): never {
    throw new RangeError('translated');
  }
}

@Module({ controllers: [PaintController] })
class PaintModule {}

const bytesMax = 2_000_000;
let app: NestFastifyApplication;
let port: number;
let url: string;

function createPaintShop(): Promise<NestFastifyApplication> {
  return createHttpApplication({
    module: PaintModule,
    log: createLog('test', 'silent'),
    authenticator: {
      tenantOf: async (token) => (token === 'good' ? { tenantId: 't1', apiKeyId: 'k1' } : null),
      isOperator: (token) => token === 'admin',
    },
    translate: (error) =>
      error instanceof RangeError ? new ProblemError('state-conflict', error.message) : null,
    description: { title: 'Paint', description: 'A shop' },
    extend: (server) => takeBytes(server, 'message/rfc822', { bytesMax, heldBytesMax: 3 * bytesMax }),
  });
}

beforeAll(async () => {
  app = await createPaintShop();
  port = await listen(app, '127.0.0.1', 0);
  url = `http://127.0.0.1:${port}`;
});

afterAll(() => app.close());

const asTenant = { authorization: 'Bearer good' };
const json = { ...asTenant, 'content-type': 'application/json' };

async function call(path: string, init: RequestInit = {}) {
  const response = await fetch(`${url}${path}`, init);
  const text = await response.text();
  const body: unknown = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text;
  return { status: response.status, headers: response.headers, body: body as Record<string, unknown>, text };
}

describe('who may use a route', () => {
  it.each([
    ['/open', undefined, 200],
    ['/mine', undefined, 401],
    ['/mine', 'Bearer bad', 401],
    ['/mine', 'Basic good', 401],
    ['/mine', 'bearer good', 200],
    ['/operators', 'Bearer good', 401],
    ['/operators', 'Bearer admin', 200],
    ['/mine', 'Bearer admin', 401],
    ['/docs', undefined, 200],
    ['/docs-json', undefined, 200],
    ['/nothing', undefined, 404],
  ])('%s with %s answers %i', async (path, authorization, status) => {
    const answer = await call(path, authorization === undefined ? {} : { headers: { authorization } });
    expect(answer.status).toBe(status);
    expect(answer.headers.has('www-authenticate')).toBe(status === 401);
  });

  it('is decided before the body has arrived', async () => {
    const socket = connect(port, '127.0.0.1');
    socket.write(
      'POST /bytes HTTP/1.1\r\nHost: x\r\nContent-Type: message/rfc822\r\nContent-Length: 1000\r\n\r\nonly this',
    );
    const [data] = (await once(socket, 'data')) as [Buffer];
    expect(data.toString()).toMatch(/^HTTP\/1\.1 401 /);
    socket.destroy();
  });
});

describe('a problem', () => {
  it('has the members of RFC 9457 and is served as such', async () => {
    const { headers, body, status } = await call('/refusal?x=1');
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(body).toEqual({
      type: 'urn:mailfold:problem:state-conflict',
      title: 'The present state does not allow this',
      status: 409,
      detail: 'translated',
      instance: '/refusal',
    });
    expect(status).toBe(409);
  });

  it('tells nothing about the inside of a fault', async () => {
    const { status, text } = await call('/fault');
    expect(status).toBe(500);
    expect(text).not.toMatch(/secret words|at .*\.ts/);
  });

  it.each([
    ['/%zz', 400, 'malformed-request'],
    [`/of/${'a'.repeat(101)}`, 404, 'not-found'],
  ])('is what %s gets, which the router refuses', async (path, status, name) => {
    const { headers, body, ...answer } = await call(path);
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect([answer.status, body.type]).toEqual([status, `urn:mailfold:problem:${name}`]);
  });

  it('names each field that is wrong, missing or unknown', async () => {
    const body = JSON.stringify({ colour: 'green', admin: true });
    const answer = await call('/paint', { method: 'POST', headers: json, body });
    expect(answer.status).toBe(400);
    const fields = (answer.body.errors as { field: string }[]).map(({ field }) => field);
    expect(fields.sort()).toEqual(['admin', 'colour', 'name']);
  });
});

describe('a body', () => {
  const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;

  it.each([
    ['malformed', '{"name":', 400],
    ['empty', '', 400],
    ['not an object', '[1]', 400],
    ['nested to the limit, and then wrong by its fields', nested(32), 400],
    ['nested deeper', nested(33), 400],
    ['nested very deep', nested(150_000), 400],
    ['a prototype', '{"__proto__":{"x":1},"name":"a","colour":"red"}', 400],
    ['a NUL', '{"name":"a\\u0000","colour":"red"}', 400],
    ['half a surrogate pair', '{"name":"\\ud800","colour":"red"}', 400],
    ['not UTF-8', Buffer.from('{"name":"\xff","colour":"red"}', 'latin1'), 400],
    ['over a mebibyte', JSON.stringify({ name: 'a'.repeat(1024 * 1024), colour: 'red' }), 413],
    ['right', '{"name":"\\ud83d\\ude00","colour":"red"}', 201],
  ])('that is %s', async (_what, body, status) => {
    const answer = await call('/paint', { method: 'POST', headers: json, body });
    expect(answer.status).toBe(status);
  });

  it.each([
    ['application/octet-stream', '/bytes'],
    ['application/json', '/bytes'],
    ['message/rfc822', '/paint'],
    ['nonsense', '/paint'],
  ])('of type %s is not taken at %s', async (contentType, path) => {
    const answer = await call(path, {
      method: 'POST',
      headers: { ...asTenant, 'content-type': contentType },
      body: '{}',
    });
    expect(answer.status).toBe(415);
    expect(answer.headers.get('accept')).toBe(path === '/bytes' ? 'message/rfc822' : 'application/json');
  });

  it('may not be compressed', async () => {
    const headers = { ...json, 'content-encoding': 'gzip' };
    expect((await call('/paint', { method: 'POST', headers, body: '{}' })).status).toBe(415);
  });

  it.each([
    [bytesMax, 201],
    [bytesMax + 1, 413],
  ])('of %i bytes answers %i, sent with a length or in chunks', async (bytes, status) => {
    const headers = { ...asTenant, 'content-type': 'message/rfc822' };
    const body = Buffer.alloc(bytes, 'a');
    expect((await call('/bytes', { method: 'POST', headers, body })).status).toBe(status);
    const chunked = new Blob([body]).stream();
    const init = { method: 'POST', headers, body: chunked, duplex: 'half' } as RequestInit;
    expect((await call('/bytes', init)).status).toBe(status);
  });
});

describe('bodies under way', () => {
  it('are bounded all together, and room comes back when their senders go', async () => {
    const headers = { ...asTenant, 'content-type': 'message/rfc822' };
    const send = () => call('/bytes', { method: 'POST', headers, body: Buffer.alloc(1_000) });
    const slow = Array.from({ length: 3 }, () => connect(port, '127.0.0.1'));
    for (const socket of slow) {
      const head = `Host: x\r\nAuthorization: Bearer good\r\nContent-Type: message/rfc822`;
      socket.write(`POST /bytes HTTP/1.1\r\n${head}\r\nContent-Length: ${bytesMax}\r\n\r\nbegun`);
    }
    await eventually(async () => {
      const answer = await send();
      expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
    });
    for (const socket of slow) socket.destroy();
    await eventually(async () => expect((await send()).status).toBe(201));
  });
});

describe('a connection', () => {
  async function exchange(bytes: string): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (data: Buffer) => (answer += data.toString())).on('error', () => undefined);
    socket.write(bytes);
    await once(socket, 'close');
    return answer;
  }

  it('with garbage is answered and ended', async () => {
    expect(await exchange('garbage\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 .*malformed-request/s);
  });

  it('with a header bomb is answered and ended', async () => {
    const bomb = `GET /open HTTP/1.1\r\nHost: x\r\nX-Bomb: ${'a'.repeat(100_000)}\r\n\r\n`;
    expect(await exchange(bomb)).toMatch(/^HTTP\/1\.1 431 .*headers-too-large/s);
  });
});

describe('the end', () => {
  it('does not wait for a connection that has never said anything', async () => {
    const ending = await createPaintShop();
    const silent = connect(await listen(ending, '127.0.0.1', 0), '127.0.0.1').resume();
    try {
      const server = ending.getHttpServer() as Server;
      await eventually(async () => expect(await promisify(server.getConnections.bind(server))()).toBe(1));
      const first = await Promise.race([ending.close().then(() => 'ended'), delay(3_000, 'waits')]);
      expect(first).toBe('ended');
    } finally {
      silent.destroy();
    }
  });
});

describe('every answer', () => {
  it.each(['/open', '/nothing', '/fault', '/mine', '/%zz'])(
    'of %s carries the security headers and its id',
    async (path) => {
      const { headers } = await call(path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('cache-control')).toBe('no-store');
      expect(headers.get('content-security-policy')).toContain("default-src 'none'");
      expect(headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      expect(headers.get('x-powered-by')).toBeNull();
    },
  );
});
