import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { access, constants, mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { socketPathMaxBytes } from './directories';

const readyTimeoutMs = 5_000;
const stopTimeoutMs = 2_000;

/** A redis-server of our own on a Unix socket. It holds nothing worth keeping. */
export interface EmbeddedRedis {
  readonly url: string;
  readonly pid: number;
  onExit(listener: () => void): void;
  stop(): Promise<void>;
}

/**
 * Null when no `redis-server` is on PATH, when it does not start or when its socket's path would be too long: the
 * in-process cache then serves. One that outlived an earlier parent is replaced: adopting it would save nothing.
 */
export async function startEmbeddedRedis(options: {
  readonly dataDir: string;
}): Promise<EmbeddedRedis | null> {
  const program = await onPath('redis-server');
  if (program === null) return null;
  const dataDir = resolve(options.dataDir);
  await mkdir(join(dataDir, 'log'), { recursive: true });
  const folder = join(dataDir, 'run');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const socketPath = join(folder, 'redis.sock');
  if (Buffer.byteLength(socketPath) > socketPathMaxBytes) return null;
  await shutDownOrphan(socketPath);
  const child = spawnRedis(program, socketPath, folder, join(dataDir, 'log', 'redis.log'));
  const deadline = Date.now() + readyTimeoutMs;
  while (child.pid !== undefined && child.exitCode === null && Date.now() < deadline) {
    if (await accepts(socketPath)) return running(child, socketPath);
    await delay(10);
  }
  child.kill('SIGKILL');
  return null;
}

function spawnRedis(program: string, socketPath: string, folder: string, logPath: string): ChildProcess {
  const log = openSync(logPath, 'a', 0o600);
  const child = spawn(
    program,
    [
      ...['--port', '0', '--unixsocket', socketPath, '--unixsocketperm', '700', '--dir', folder],
      ...['--save', '', '--appendonly', 'no', '--maxmemory', '128mb', '--maxmemory-policy', 'allkeys-lru'],
    ],
    { detached: true, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  child.on('error', () => undefined);
  child.unref();
  return child;
}

function running(child: ChildProcess, socketPath: string): EmbeddedRedis {
  let stopping = false;
  return {
    url: `unix://${socketPath}`,
    pid: child.pid ?? 0,
    onExit: (listener) => {
      child.once('exit', () => {
        if (!stopping) listener();
      });
    },
    stop: async () => {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      const forced = setTimeout(() => child.kill('SIGKILL'), stopTimeoutMs);
      await exited;
      clearTimeout(forced);
    },
  };
}

async function onPath(name: string): Promise<string | null> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name);
    const executable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (executable && folder !== '') return path;
  }
  return null;
}

async function shutDownOrphan(socketPath: string): Promise<void> {
  const deadline = Date.now() + stopTimeoutMs;
  while ((await accepts(socketPath, 'SHUTDOWN NOSAVE\r\n')) && Date.now() < deadline) await delay(10);
  await rm(socketPath, { force: true });
}

/** Whether a server listens there; `greeting` is sent to it. */
function accepts(socketPath: string, greeting = ''): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.end(greeting, () => done(true));
    });
    socket.once('error', () => done(false));
  });
}
