import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { ReadyMessage } from '../shared/process/run-process';

const readyTimeoutMs = 30_000;
const restartDelayMinMs = 250;
const restartDelayMaxMs = 5_000;
/** A process that served this long did not fail to start, so its next restart is a quick one again. */
const steadyAfterMs = 10_000;

export interface ProcessSpecification {
  readonly name: string;
  /** Absolute path of its compiled main file. */
  readonly file: string;
  readonly env: Readonly<Record<string, string>>;
  /** The variable that takes the port. A restart gets the port of the first start, since others know it. */
  readonly portVariable?: string;
  readonly logPath: string;
}

/** A child process that is started again, with growing delay, whenever it ends by itself. */
export class SupervisedProcess {
  private child: ChildProcess | null = null;
  private port: number | undefined;
  private stopping = false;

  constructor(
    private readonly specification: ProcessSpecification,
    /** Told what happens, in lines for people. */
    private readonly report: (line: string) => void,
  ) {}

  get name(): string {
    return this.specification.name;
  }

  /** Null between an end and the next start. */
  get pid(): number | null {
    return this.child === null || hasEnded(this.child) ? null : (this.child.pid ?? null);
  }

  /**
   * Resolves to its port when it serves. Throws with the end of its log when it ends before or takes over 30 s: what does
   * not start once will not start by being asked again.
   */
  async start(): Promise<number | undefined> {
    const child = this.spawn();
    this.port = await this.ready(child);
    void this.keepRunning(child);
    return this.port;
  }

  /** SIGTERM, and SIGKILL after `timeoutMs`: every process survives that by design. */
  async stop(timeoutMs: number): Promise<void> {
    this.stopping = true;
    const { child } = this;
    if (child === null || hasEnded(child)) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const forced = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    await ended;
    clearTimeout(forced);
  }

  private async keepRunning(first: ChildProcess): Promise<void> {
    let child = first;
    let delayMs = restartDelayMinMs;
    while (!this.stopping) {
      const servedFrom = Date.now();
      const how = await endOf(child);
      if (this.isStopping()) return;
      if (Date.now() - servedFrom > steadyAfterMs) delayMs = restartDelayMinMs;
      this.report(
        `${this.name} ended (${how}); starting it again in ${delayMs} ms, see ${this.specification.logPath}`,
      );
      await delay(delayMs);
      delayMs = Math.min(2 * delayMs, restartDelayMaxMs);
      if (this.isStopping()) return;
      child = this.spawn();
      const failure = await this.ready(child).then(
        () => null,
        (error: unknown) => error,
      );
      if (failure === null) this.report(`${this.name} is back (pid ${child.pid})`);
    }
  }

  /** A method, because a field the compiler has seen as false would stay false for it across an await. */
  private isStopping(): boolean {
    return this.stopping;
  }

  private spawn(): ChildProcess {
    const { file, env, portVariable, logPath } = this.specification;
    const log = openSync(logPath, 'a', 0o600);
    const port: Record<string, string> =
      portVariable !== undefined && this.port !== undefined ? { [portVariable]: String(this.port) } : {};
    try {
      this.child = fork(file, [], {
        // Own session, so that Ctrl-C reaches us alone and the end keeps its order. Should we be killed, the channel
        // closes and the child ends by itself.
        detached: true,
        execArgv: [],
        env: { ...env, ...port },
        stdio: ['ignore', log, log, 'ipc'],
      });
    } finally {
      closeSync(log);
    }
    this.child.on('error', () => undefined);
    return this.child;
  }

  private async ready(child: ChildProcess): Promise<number | undefined> {
    const { logPath } = this.specification;
    const logged = statSync(logPath).size;
    const served = new Promise<{ port: number | undefined }>((done) => {
      child.on('message', (message: ReadyMessage) => {
        if (message.type === 'ready') done({ port: message.port });
      });
    });
    const timeout = new AbortController();
    const outcome = await Promise.race([
      served,
      endOf(child),
      delay(readyTimeoutMs, 'no ready message', { signal: timeout.signal }),
    ]);
    timeout.abort();
    if (typeof outcome !== 'string') return outcome.port;
    child.kill('SIGKILL');
    throw new Error(`${this.name} did not start (${outcome}). ${lastWords(logPath, logged)}`);
  }
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

async function endOf(child: ChildProcess): Promise<string> {
  if (!hasEnded(child)) await once(child, 'exit');
  return child.signalCode ?? `exit code ${child.exitCode}`;
}

function lastWords(logPath: string, fromByte: number): string {
  const text = readFileSync(logPath).subarray(fromByte).toString('utf8').trim();
  return text === ''
    ? `See ${logPath}`
    : `Its last words, from ${logPath}:\n${text.split('\n').slice(-5).join('\n')}`;
}
