import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { clusterTemplateEnvironment } from '../support/cluster-template';
import { eventually } from '../support/eventually';
import { runToEnd } from '../support/processes';
import { quickCounts } from './log/faults';
import type { Operation } from './log/history';
import type { LogReport } from './log/report';
import { keepRun } from './log/run-files';
import type { SelfTestReport } from './log/self-test';

type Printed = LogReport & { readonly selfTest: SelfTestReport; readonly passed: boolean };

test('the log keeps its promises while the node and PostgreSQL are killed, and the harness sees a log that does not', async () => {
  const { exitCode, output } = await runToEnd('test/chaos/main.js', {
    args: ['log', '--quick', '--json'],
    env: clusterTemplateEnvironment(),
  });
  const document = output.split('\n').find((line) => line.startsWith('{'));
  if (document === undefined) throw new Error(`there is no report:\n${output}`);
  const report = JSON.parse(document) as Printed;
  const broken = report.verdicts.filter(({ violations }) => violations > 0);
  expect({ seed: report.seed, failure: report.failure, broken }).toEqual({
    ...{ seed: report.seed, failure: null, broken: [] },
  });
  expect(Object.fromEntries(report.faults.map(({ kind, struck }) => [kind, struck]))).toEqual(quickCounts);
  expect(report.operations.ok).toBeGreaterThan(100);
  expect(report.operations.fail).toBeGreaterThan(0);
  expect(report.delivered['subscriber']).toBe(report.events);
  expect(report.strayRejections).toBe(0);
  expect(report.selfTest.lostEventIds.length).toBeGreaterThan(0);
  expect(report.passed).toBe(true);
  expect(exitCode).toBe(0);
}, 180_000);

// Which processes are left is read from /proc.
const testOnLinux = process.platform === 'linux' ? test : test.skip;

testOnLinux(
  'Ctrl-C ends everything that was started, removes its files, and says so by the exit code',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'mfc-'));
    try {
      // PostgreSQL may run as another user, who has to pass.
      await chmod(folder, 0o755);
      const chaos = spawn(
        process.execPath,
        [resolve('dist/test/chaos/main.js'), 'log', '--quick', '--json'],
        {
          env: { ...process.env, TMPDIR: folder },
          stdio: ['ignore', 'pipe', 'ignore'],
          detached: true,
        },
      );
      const output = chaos.stdout.setEncoding('utf8').reduce((text: string, part: string) => text + part, '');
      await eventually(async () => expect(await readdir(folder)).toHaveLength(2));
      await delay(500);
      expect(await commandLinesWith(folder)).not.toEqual([]);
      // A terminal sends it to the whole group.
      process.kill(-(chaos.pid ?? NaN), 'SIGINT');
      expect(await once(chaos, 'exit')).toEqual([130, null]);
      expect(JSON.parse(await output)).toMatchObject({ interrupted: true, passed: false });
      expect(await commandLinesWith(folder)).toEqual([]);
      expect(await readdir(folder)).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  },
  60_000,
);

/** Of the processes that were told of `folder`. */
async function commandLinesWith(folder: string): Promise<string[]> {
  const lines = (await readdir('/proc'))
    .filter((name) => /^\d+$/.test(name))
    // It may have ended since it was listed.
    .map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
  return (await Promise.all(lines)).filter((line) => line.includes(folder));
}

test('a run that was kept can be checked again, and fails again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mailfold-chaos-kept-'));
  try {
    const acknowledged: Operation = {
      ...{ opId: 'op', commandId: 'command', stream: 'shared', eventIds: ['gone'], invoke: 0, complete: 9 },
      ...{ outcome: 'ok', revision: 0, position: 1_024, reason: null },
    };
    await writeFile(join(folder, 'history-main-0.ndjson'), `${JSON.stringify(acknowledged)}\n`);
    const dump = { all: [], streams: new Map([['shared', []]]) };
    const clean = { strayRejections: 0, failure: null };
    const run = { operations: [], dump, deliveries: [], struck: [], violations: [], ...clean };
    await keepRun(folder, run, { seed: 5, form: 'quick', durationSeconds: 1, interrupted: false });
    const checked = await runToEnd('test/chaos/main.js', { args: ['log', '--check', folder] });
    expect(checked.output).toMatch(/lost +1\n/);
    expect(checked.output).toMatch(/I1 +BROKEN 1 time/);
    expect(checked.exitCode).toBe(1);
  } finally {
    await rm(folder, { recursive: true });
  }
});
