import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { startHelper } from '../../bench/harness/helper-process';
import { appendLoadFile, type AppendLoad } from '../../bench/load/append-load';
import { clusterTemplateEnvironment } from '../support/cluster-template';
import { eventually } from '../support/eventually';

interface Ended {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('npm run bench', () => {
  const folder = mkdtempSync(join(tmpdir(), 'mf-bench-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Everything it writes goes below `folder`, so a test can see what it leaves behind. */
  function start(args: readonly string[]): {
    child: ChildProcess;
    stderr: () => string;
    ended: Promise<Ended>;
  } {
    const child = spawn(process.execPath, [resolve('dist/bench/main.js'), ...args], {
      env: {
        ...{ PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: folder },
        ...clusterTemplateEnvironment(),
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    const ended = once(child, 'close').then(([exitCode]) => ({
      exitCode: exitCode as number | null,
      stdout,
      stderr,
    }));
    return { child, stderr: () => stderr, ended };
  }

  // Only its shape and its gates: CI says nothing about speed.
  it('runs append from end to end, reads all of it back, and prints one JSON object', async () => {
    const { exitCode, stdout, stderr } = await start(['append', '--quick', '--rounds', '1', '--json']).ended;
    const lines = stdout.trim().split('\n');
    expect(lines).toHaveLength(1);
    const record = JSON.parse(lines[0] ?? '');
    expect(record).toMatchObject({
      name: 'append',
      ratio: expect.any(Number),
      q1: expect.any(Number),
      target: 1,
      targetIs: 'at least',
      pass: expect.any(Boolean),
      samples: 1,
      violations: [],
      seed: 1,
      quick: true,
      mark: 'quick, not a claim',
    });
    expect(record.sides.ours).toMatchObject({ name: 'embedded node', unit: 'events/s' });
    expect(record.sides.over).toMatchObject({ name: 'raw insert', unit: 'events/s' });
    const quotient = record.sides.ours.median / record.sides.over.median;
    expect(record.ratio / quotient).toBeCloseTo(1, 2);
    expect(record.pass).toBe(record.ratio >= 1);
    expect(exitCode).toBe(record.pass === true ? 0 : 1);
    expect(stderr).toMatch(/append, round 1, embedded node: .* events\/s; .* left/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('stops what it has started and removes what it has written at Ctrl-C', async () => {
    const { child, stderr, ended } = start(['append', '--quick', '--rounds', '50']);
    await eventually(() => expect(stderr()).toMatch(/round 1/), 30_000);
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ exitCode: 130, stdout: '' });
    expect(stderr()).toMatch(/Interrupted/);
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each([
    [['nothing-like-it'], /no row nothing-like-it/],
    [[], /name a row/],
    [['append', '--rounds', '2'], /fewer than 5 rounds make no claim/],
    [['append', '--rounds', 'some'], /whole number/],
    [['append-batch', '--url', 'esdb://127.0.0.1:1?tls=false'], /does not run against a URL/],
  ])('ends %j with 2 and one line of what is wrong', async (args, complaint) => {
    const { exitCode, stderr, stdout } = await start(args).ended;
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(complaint);
    expect(stdout).toBe('');
  });

  it('lists the rows with their goals', async () => {
    const { exitCode, stdout } = await start(['--list']).ended;
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^append +≥ 1 /m);
  });

  it('ends with 1 and one line when the server at --url does not answer', async () => {
    const { exitCode, stderr } = await start([
      'append',
      '--url',
      'esdb://127.0.0.1:1?tls=false&maxDiscoverAttempts=1',
      '--quick',
    ]).ended;
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(/^bench: .+$/m);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('a helper process', () => {
  it('hands on the errors of its work, and fails what is open when it ends', async () => {
    const helper = startHelper<AppendLoad>(appendLoadFile, new AbortController().signal);
    await expect(helper.call('check', null)).rejects.toThrow('no store is open');
    const open = helper.call('open', {
      kind: 'raw-insert',
      url: 'postgresql://10.255.255.1/x',
      connectionCount: 1,
    });
    const outcome = expect(open).rejects.toThrow('before it had answered');
    await helper.stop();
    await outcome;
    await expect(helper.call('check', null)).rejects.toThrow('before it had answered');
  });
});
