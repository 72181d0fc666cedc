import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Supervisor } from '../../../apps/dev/supervisor';
import { isAlive } from '../../../apps/shared/embedded/postmaster-file';
import { eventually } from '../../support/eventually';

describe('the supervisor', () => {
  let folder: string;
  let lines: string[];
  let supervisor: Supervisor;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mailfold-supervisor-'));
    lines = [];
    supervisor = new Supervisor(join(folder, 'log'), (line) => lines.push(line));
  });
  afterEach(async () => {
    await supervisor.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A process of the given name that runs `body`; SAMPLE_PORT takes its port. */
  function sample(name: string, body: string) {
    const file = join(folder, `${name}.js`);
    const order = JSON.stringify(join(folder, 'order'));
    writeFileSync(
      file,
      `const note = (text) => require('node:fs').appendFileSync(${order}, text + '\\n');
       process.on('disconnect', () => process.exit(0));
       ${body}`,
    );
    return { name, file, env: { SAMPLE_PORT: '0' }, portVariable: 'SAMPLE_PORT' };
  }
  const ready = `process.send({ type: 'ready', port: Number(process.env.SAMPLE_PORT) || 4711 });`;
  const endsWith = (text: string): string =>
    `process.on('SIGTERM', () => { note('${text}'); process.exit(0); });`;
  const bound = { stopTimeoutMs: 1_000 };

  it('ends the groups in reverse order of their start', async () => {
    await supervisor.start([sample('first', endsWith('first') + ready)], bound);
    await supervisor.start([sample('second', endsWith('second') + ready)], bound);
    const pids = Object.values(supervisor.pids());
    expect(pids).toHaveLength(2);
    await supervisor.stop();
    expect(readFileSync(join(folder, 'order'), 'utf8')).toBe('second\nfirst\n');
    expect(pids.some(isAlive)).toBe(false);
  });

  it('starts a killed process again on the port the others know', async () => {
    const ports = await supervisor.start(
      [sample('api', `note('port ' + process.env.SAMPLE_PORT); ${ready}`)],
      bound,
    );
    expect(ports).toEqual({ api: 4711 });
    const pidBefore = supervisor.pids()['api'] ?? 0;
    process.kill(pidBefore, 'SIGKILL');
    await eventually(() => expect(lines).toContainEqual(expect.stringMatching(/^api is back/)));
    expect(lines[0]).toMatch(/^api ended \(SIGKILL\); starting it again in 250 ms/);
    expect(supervisor.pids()['api']).not.toBe(pidBefore);
    expect(readFileSync(join(folder, 'order'), 'utf8')).toBe('port 0\nport 4711\n');
  });

  it('kills a process that does not end when asked', async () => {
    await supervisor.start([sample('deaf', `process.on('SIGTERM', () => undefined); ${ready}`)], {
      stopTimeoutMs: 100,
    });
    const pid = supervisor.pids()['deaf'] ?? 0;
    await supervisor.stop();
    expect(isAlive(pid)).toBe(false);
  });

  it('tells the last words of a process that does not start, and leaves none of its group behind', async () => {
    const starting = supervisor.start(
      [
        sample('fine', ready),
        sample('broken', `console.error('KEYS_DATABASE_URL is not set'); process.exit(2);`),
      ],
      bound,
    );
    await expect(starting).rejects.toThrow(
      /broken did not start \(exit code 2\)[\s\S]*KEYS_DATABASE_URL is not set/,
    );
    const pids = Object.values(supervisor.pids());
    await supervisor.stop();
    expect(pids.some(isAlive)).toBe(false);
  });
});
