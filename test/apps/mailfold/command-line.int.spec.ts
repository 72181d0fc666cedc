import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const mailbox = '00000000-0000-4000-8000-000000000001';
const apiKey = `mf_${'0'.repeat(32)}_${'k'.repeat(43)}`;

interface Run {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built command, as a user runs it. Secrets in `env` must never come out again. */
async function mailfold(
  args: string[],
  env: Record<string, string> = {},
  onStderr: (text: string, kill: (signal: NodeJS.Signals) => void) => void = () => undefined,
): Promise<Run> {
  const child = spawn(process.execPath, [join(process.cwd(), 'dist/apps/mailfold/main.js'), ...args], {
    env: { PATH: process.env['PATH'] ?? '', DATA_DIR: '/nonexistent', ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (data: Buffer) => (stdout += data.toString()));
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
    onStderr(stderr, (signal) => child.kill(signal));
  });
  const exitCode = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { exitCode, stdout, stderr };
}

describe('the mailfold command line', () => {
  it.each([
    ['an unknown command', ['frobnicate'], 'unknown command'],
    ['a missing option', ['import', 'x'], '--mailbox'],
    ['a bad number', ['import', 'x', '--mailbox', mailbox, '--concurrency', '0'], 'from 1 to 64'],
    ['a missing key', ['import', 'x', '--mailbox', mailbox], 'MAILFOLD_API_KEY is not set'],
  ])('answers %s with 2 and one line', async (_name, args, expected) => {
    const { exitCode, stderr, stdout } = await mailfold(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toContain(expected);
    expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(2);
  });

  it('answers --help with 0', async () => {
    const { exitCode, stdout } = await mailfold(['import', '--help']);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('--mailbox <id>');
  });

  it('answers status with 1 when nothing can be reached, and names each part', async () => {
    const nowhere = 'postgresql://nobody@127.0.0.1:1/none';
    const names = ['CONTROL', 'KEYS', 'OLTP', 'CONTENT', 'OLAP'].map((name) => `${name}_DATABASE_URL`);
    const { exitCode, stdout } = await mailfold(['status'], {
      ...Object.fromEntries(names.map((name) => [name, nowhere])),
      EVENTSTORE_URL: 'esdb://127.0.0.1:1?tls=false',
      COMMAND_API_URL: 'http://127.0.0.1:1',
      QUERY_API_URL: 'http://127.0.0.1:1',
      MAILFOLD_ROOT_KEY: Buffer.alloc(32).toString('base64'),
    });
    expect(exitCode).toBe(1);
    const down = stdout.split('\n').filter((line) => line.includes('DOWN'));
    expect(down.map((line) => line.split(/ {2,}/)[0])).toEqual([
      ...['log', 'control', 'command API', 'query API'],
      ...['oltp', 'content', 'olap'],
    ]);
  });

  it.each([
    ['a bad range of slots', ['rebuild', 'cutover', '1', '--slots', '9-4096'], 'slots from 0 to 4095'],
    ['a run without a number', ['rebuild', 'verify'], "missing required argument 'run'"],
    ['verify of one generation with itself', ['verify', 'oltp', '--generations', '1,1'], 'two numbers'],
    ['rebuild without configuration', ['rebuild', 'plan', 'oltp'], 'CONTROL_DATABASE_URL is not set'],
  ])('answers %s with 2', async (_name, args, expected) => {
    expect(await mailfold(args)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(expected) });
  });

  it('ends quietly when nobody reads on', async () => {
    const child = spawn(process.execPath, [join(process.cwd(), 'dist/apps/mailfold/main.js'), '--help'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    const exitCode = await new Promise((resolve) => child.on('close', resolve));
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  });

  describe('import', () => {
    let folder: string;
    let server: Server;
    let answer: (request: IncomingMessage, response: ServerResponse) => void;
    let keys: string[];

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'mf-cli-'));
      writeFileSync(join(folder, 'a.eml'), 'Subject: a\n\na\n');
      writeFileSync(join(folder, 'b.eml'), 'Subject: b\n\nb\n');
      keys = [];
      server = createServer((request, response) => {
        keys.push(String(request.headers['idempotency-key']));
        request.resume().on('end', () => answer(request, response));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    });
    afterEach(async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    });

    const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const run = (...more: string[]): Promise<Run> =>
      mailfold(['import', folder, '--mailbox', mailbox, '--url', url(), '--json', ...more], {
        MAILFOLD_API_KEY: apiKey,
      });
    const accept = (response: ServerResponse): void => {
      const body = { outcome: 'accepted', messageId: mailbox, conversationId: mailbox };
      response.writeHead(201, { 'x-log-position': '7' }).end(JSON.stringify(body));
    };
    const records = ({ stdout }: Run): Record<string, unknown>[] =>
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);

    it('repeats what got no answer under the same key until it is answered', async () => {
      let request = 0;
      answer = (_request, response) => {
        request += 1;
        if (request === 1) response.destroy();
        else if (request === 2) response.writeHead(503, { 'retry-after': '1' }).end('{}');
        else accept(response);
      };
      const result = await run('--concurrency', '1');
      expect(result.exitCode).toBe(0);
      expect(records(result).at(-1)).toMatchObject({ accepted: 2, failed: 0, position: '7' });
      expect(new Set(keys.slice(0, 3)).size).toBe(1);
      expect(new Set(keys).size).toBe(2);
    });

    it('ends with 1 and names the mail that is refused for good', async () => {
      answer = (_request, response) =>
        keys.length === 1
          ? response.writeHead(413).end(JSON.stringify({ title: 'Too large' }))
          : accept(response);
      const result = await run('--concurrency', '1');
      expect(result.exitCode).toBe(1);
      expect(records(result)[0]).toMatchObject({ name: 'a.eml', outcome: 'failed', reason: '413 Too large' });
      expect(records(result).at(-1)).toMatchObject({ accepted: 1, failed: 1 });
    });

    it('ends at once with 2 when the key is refused, and never shows it', async () => {
      answer = (_request, response) => response.writeHead(401).end('{}');
      const { exitCode, stderr, stdout } = await run();
      expect(exitCode).toBe(2);
      expect(stderr).toContain('the API key is not accepted');
      expect(stderr + stdout).not.toContain(apiKey);
    });

    it('goes on from its journal after Ctrl-C', async () => {
      const journal = join(folder, 'journal.ndjson');
      answer = (_request, response) =>
        keys.length === 1 ? accept(response) : response.writeHead(503).end('{}');
      const args = ['import', folder, '--mailbox', mailbox, '--url', url(), '--concurrency', '1'];
      const env = { MAILFOLD_API_KEY: apiKey };
      const first = await mailfold([...args, '--journal', journal], env, (stderr, kill) => {
        if (stderr.includes('Waiting') && !stderr.includes('Interrupted')) kill('SIGINT');
      });
      expect(first.exitCode).toBe(130);
      expect(first.stderr).toContain(`it goes on from ${journal}`);
      answer = (_request, response) => accept(response);
      keys = [];
      const second = await run('--journal', journal, '--concurrency', '1');
      expect(second.exitCode).toBe(0);
      expect(records(second).at(-1)).toMatchObject({ accepted: 1, resumed: 1 });
      expect(keys).toHaveLength(1);
    });
  });
});
