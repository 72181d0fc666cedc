import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { isAlive } from '../../apps/shared/embedded/postmaster-file';

/** What is under way at the moment: processes below the demo, and where its files lie. */
interface UnderWay {
  readonly pids: readonly number[];
  readonly folders: readonly string[];
}

describe('npm run demo -- rebuild, interrupted', () => {
  let folder: string;
  let temporary: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mf-'));
    temporary = join(folder, 't');
    mkdirSync(temporary);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    { when: 'while the databases start', events: '1000', at: null, interrupt: alone },
    { when: 'while the log is written', events: '200000', at: /✓ Start/, interrupt: alone },
    { when: 'while the tier is spread, read and written', events: '1000', at: /Run 2: /, interrupt: group },
  ])(
    'ends all it has started and removes its data: $when',
    async ({ events, at, interrupt }) => {
      // The leader of a group of its own, as a command is in a terminal.
      const demo = spawn(
        process.execPath,
        [resolve('dist/apps/dev/main.js'), 'demo', 'rebuild', '--events', events],
        {
          env: { PATH: process.env['PATH'], HOME: process.env['HOME'], TMPDIR: temporary },
          stdio: ['ignore', 'pipe', 'pipe'],
          detached: true,
        },
      );
      const ended = once(demo, 'close');
      let output = '';
      const interrupted = new Promise<{ underWay: UnderWay; before: string }>((done) => {
        const maybeInterrupt = (isTime: boolean): void => {
          if (!isTime) return;
          clearInterval(watch);
          const underWay = whatIsUnderWay(demo, temporary);
          interrupt(demo);
          done({ underWay, before: output });
        };
        const watch = setInterval(() => {
          if (at === null) maybeInterrupt(isClusterThere(temporary));
          else maybeInterrupt(at.test(output));
        }, 10);
        void ended.then(() => clearInterval(watch));
        for (const stream of [demo.stdout, demo.stderr])
          stream.setEncoding('utf8').on('data', (text: string) => (output += text));
      });
      const outcome = await Promise.race([interrupted, ended.then(() => null)]);
      if (outcome === null) throw new Error(`the demo was over before it was interrupted:\n${output}`);
      const { underWay, before } = outcome;
      const [exitCode] = (await ended) as [number | null];
      expect({ exitCode, told: output.slice(before.length) }).toEqual({
        exitCode: 130,
        told: 'Interrupted: stopping everything and removing its data ...\n',
      });
      expect(underWay.pids.length).toBeGreaterThan(0);
      expect(underWay.pids.filter(isAlive)).toEqual([]);
      expect(underWay.folders.filter(existsSync)).toEqual([]);
      expect(readdirSync(temporary)).toEqual([]);
    },
    120_000,
  );
});

function alone(demo: ChildProcess): void {
  demo.kill('SIGINT');
}

/** As the terminal does it at Ctrl-C. */
function group({ pid = 0 }: ChildProcess): void {
  process.kill(-pid, 'SIGINT');
}

function isClusterThere(temporary: string): boolean {
  return clusters(temporary).length > 0;
}

/** Where a demo's PostgreSQL keeps its files; for root outside of its data folder. */
function clusters(temporary: string): string[] {
  return readdirSync(temporary).flatMap((name) => {
    const path = join(temporary, name, 'postgres');
    try {
      return [readlinkSync(path)];
    } catch {
      return existsSync(path) ? [path] : [];
    }
  });
}

function whatIsUnderWay({ pid = 0 }: ChildProcess, temporary: string): UnderWay {
  const parents = new Map(
    execFileSync('ps', ['-eo', 'pid=,ppid='], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]),
  );
  const isBelow = (each: number): boolean =>
    each === pid || (parents.has(each) && each > 1 && isBelow(parents.get(each) ?? 0));
  return { pids: [...parents.keys()].filter(isBelow), folders: clusters(temporary) };
}
