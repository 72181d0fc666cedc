import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeDataDirectory } from '../../../apps/shared/embedded/directories';
import { isAlive } from '../../../apps/shared/embedded/postmaster-file';
import { eventually } from '../../support/eventually';
import { runToEnd, startProcess, type TestProcess } from '../../support/processes';

const file = 'apps/dev/main.js';

describe('npm start', () => {
  let dataDir: string;
  let running: TestProcess | undefined;

  beforeAll(() => {
    dataDir = mkdtempSync(join(tmpdir(), 'mf-'));
  });
  afterEach(async () => {
    await running?.stop(15_000);
    running = undefined;
  });
  afterAll(() => removeDataDirectory(dataDir));

  const env = (): Record<string, string> => ({
    DATA_DIR: dataDir,
    EVENT_STORE_NODE_PORT: '0',
    COMMAND_API_PORT: '0',
    QUERY_API_PORT: '0',
    CONSOLE_PORT: '0',
  });
  const start = async (): Promise<TestProcess> =>
    (running = await startProcess(file, { args: ['start'], env: env(), readyTimeoutMs: 60_000 }));
  /** The lines of the screen that a reader would paste. */
  const pasteable = (output: string): string[] =>
    output.split('\n').filter((line) => /^(printf|curl) /.test(line));
  const paste = (line: string): string => execFileSync('sh', ['-c', line], { encoding: 'utf8' });
  const childrenOf = (parent: TestProcess): number[] =>
    execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number))
      .flatMap(([pid = 0, ppid = 0]) => (ppid === parent.pid ? [pid] : []));

  it('refuses to make its own node secure, before anything runs', async () => {
    const secure = { ...env(), EVENT_STORE_NODE_PASSWORD: 'not to be shown' };
    const { exitCode, output } = await runToEnd(file, { args: ['start'], env: secure });
    expect(exitCode).not.toBe(0);
    expect(output).toMatch(/EVENT_STORE_NODE_PASSWORD is for a node that is run by itself/);
    expect(output).not.toContain('not to be shown');
  });

  it('shows lines that work when pasted, refuses a second one, and keeps everything over a restart', async () => {
    const first = await start();
    const [write = '', inbox = '', status = ''] = pasteable(first.output());
    expect(JSON.parse(paste(write))).toMatchObject({ outcome: 'accepted' });
    await eventually(() => expect(paste(inbox)).toContain('Where is my order?'), 20_000);
    expect(paste(status)).toMatch(/oltp/);

    const second = await runToEnd(file, { args: ['start'], env: env() });
    expect(second.exitCode).toBe(1);
    expect(second.output.trim().split('\n')).toEqual([expect.stringMatching(/already runs on/)]);

    const startedStopping = Date.now();
    expect(await first.stop(15_000)).toBe(0);
    expect(Date.now() - startedStopping).toBeLessThan(10_000);

    const again = await start();
    const [writeAgain = '', inboxAgain = ''] = pasteable(again.output());
    expect(keyIn(writeAgain)).toBe(keyIn(write));
    expect(paste(inboxAgain)).toContain('Where is my order?');
    expect(JSON.parse(paste(writeAgain))).toMatchObject({ outcome: 'duplicate' });
  });

  it('leaves only PostgreSQL and Redis behind when it is killed itself, and the next start sees to both', async () => {
    const killed = await start();
    const children = childrenOf(killed);
    const redis = children.filter((pid) => commandOf(pid) === 'redis-server');
    killed.kill('SIGKILL');
    await killed.exited;
    const postmaster = Number(
      readFileSync(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8').split('\n')[0],
    );
    expect(children).toContain(postmaster);
    await eventually(
      () => expect(children.filter(isAlive).sort()).toEqual([postmaster, ...redis].sort()),
      15_000,
    );
    const next = await start();
    expect(next.output()).toContain('Mailfold is running.');
    expect(await next.stop(15_000)).toBe(0);
    expect([postmaster, ...redis].filter(isAlive)).toEqual([]);
  });
});

function commandOf(pid: number): string {
  return execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' }).trim();
}

function keyIn(line: string): string | undefined {
  return /Bearer ([^']+)'/.exec(line)?.[1];
}
