import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, escapeIdentifier } from 'pg';
import {
  clusterDirectory,
  exists,
  ownDirectory,
  removeTemporarySocketDirectory,
  socketDirectory,
} from './directories';
import { EmbeddedPostgresError, locatePostgres, type PostgresBinaries } from './postgres-binaries';
import { isAlive, removeStalePostmasterFile, runningPostmaster, type Postmaster } from './postmaster-file';

/** Recovery after a crash replays up to max_wal_size. */
const readyTimeoutMs = 120_000;
const abortTimeoutMs = 2_000;
const fastShutdownTimeoutMs = 8_000;
const pollIntervalMs = 25;
const superuser = 'postgres';

export interface EmbeddedPostgresOptions {
  /** Absolute or relative; holds `postgres/`, `run/` and `log/postgres.log`. */
  readonly dataDir: string;
  /** Created where missing. */
  readonly databases: readonly string[];
  /** Further server settings, e.g. `{ max_connections: '20' }`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/**
 * Starts the PostgreSQL that comes with npm, or adopts the one an earlier, killed process left running on `dataDir`.
 * Unix socket only. Throws {@link EmbeddedPostgresError} with the server's own last words.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataDir = resolve(options.dataDir);
  await mkdir(join(dataDir, 'log'), { recursive: true });
  const binaries = await locatePostgres();
  const cluster = await clusterDirectory(dataDir, binaries.account);
  if (!(await exists(join(cluster, 'PG_VERSION')))) await initialise(binaries, cluster, dataDir);
  await assertSameMajor(binaries, cluster);
  const server = new EmbeddedPostgres(binaries, cluster, dataDir, options.settings ?? {});
  await server.restart();
  await server.createDatabases(options.databases);
  return server;
}

/** A running cluster. It outlives this process if that is killed; the next start on the same directory adopts it. */
export class EmbeddedPostgres {
  private socketDir = '';
  private postmasterPid = 0;
  private stopping = false;
  private starting: Promise<boolean> | null = null;
  private readonly exitListeners: (() => void)[] = [];

  constructor(
    private readonly binaries: PostgresBinaries,
    /** Of the files. */
    readonly cluster: string,
    private readonly dataDir: string,
    private readonly settings: Readonly<Record<string, string>>,
  ) {}

  /** Of the postmaster. Another one after a {@link restart}. */
  get pid(): number {
    return this.postmasterPid;
  }

  url(database: string): string {
    const host = encodeURIComponent(this.socketDir);
    return `postgresql:///${encodeURIComponent(database)}?host=${host}&user=${superuser}`;
  }

  /** Called at each end of the server that {@link stop} did not ask for. */
  onExit(listener: () => void): void {
    this.exitListeners.push(listener);
  }

  /**
   * Makes sure that a server runs. After SIGKILL of a postmaster its successor refuses to start until the last backend of
   * the old one is gone, so a refusal is tried again within a bound. False when {@link stop} came in between.
   */
  async restart(): Promise<boolean> {
    this.starting = this.untilRunning();
    return this.starting;
  }

  async createDatabases(names: readonly string[]): Promise<void> {
    const client = await this.connected();
    try {
      const { rows } = await client.query<{ name: string }>('select datname as name from pg_database');
      const present = new Set(rows.map(({ name }) => name));
      for (const name of names) {
        if (!present.has(name)) await client.query(`create database ${escapeIdentifier(name)}`);
      }
    } finally {
      await client.end();
    }
  }

  /** Fast shutdown: open transactions are rolled back, everything committed is on disk. By force after `timeoutMs`. */
  async stop(timeoutMs = fastShutdownTimeoutMs): Promise<void> {
    this.stopping = true;
    await this.starting?.catch(() => undefined);
    for (const [signal, boundMs] of [
      ['SIGINT', timeoutMs],
      ['SIGQUIT', 500],
      ['SIGKILL', 500],
    ] as const) {
      if (!isAlive(this.postmasterPid)) break;
      signalIfAlive(this.postmasterPid, signal);
      await until(() => !isAlive(this.postmasterPid), Date.now() + boundMs);
    }
    await removeTemporarySocketDirectory(this.socketDir);
    this.socketDir = '';
  }

  private async untilRunning(): Promise<boolean> {
    const deadline = Date.now() + readyTimeoutMs;
    while (!this.stopping) {
      const found = await runningPostmaster(this.cluster);
      if (found) {
        if (await this.adopted(found, deadline)) return true;
        continue;
      }
      const refusal = await this.launch(deadline);
      if (refusal === null) return true;
      const mayPass = /shared memory block|lock file/.test(refusal);
      if (!this.isStopping() && (!mayPass || Date.now() > deadline)) {
        throw new EmbeddedPostgresError(`PostgreSQL did not start:\n${refusal}`);
      }
      await removeStalePostmasterFile(this.cluster);
      await delay(100);
    }
    return false;
  }

  /** A method, because a field the compiler has seen as false would stay false for it across an await. */
  private isStopping(): boolean {
    return this.stopping;
  }

  /** False when the orphan went away while we watched: it was shutting down. */
  private async adopted(found: Postmaster, deadline: number): Promise<boolean> {
    this.socketDir = found.socketDir;
    this.postmasterPid = found.pid;
    await until(async () => !isAlive(found.pid) || (await this.answers()), deadline);
    if (!isAlive(found.pid)) return false;
    if (!(await this.answers())) {
      throw new EmbeddedPostgresError(
        `A PostgreSQL (pid ${found.pid}) holds ${this.cluster} and does not answer`,
      );
    }
    this.watchOrphan(found.pid);
    return true;
  }

  /** Null when the server answers, else what it said before it ended. */
  private async launch(deadline: number): Promise<string | null> {
    // After a crash the same one again: others hold the URL.
    if (this.socketDir === '') this.socketDir = await socketDirectory(this.dataDir, this.binaries.account);
    const logPath = join(this.dataDir, 'log', 'postgres.log');
    const logged = (await stat(logPath).catch(() => ({ size: 0 }))).size;
    const child = this.spawnPostgres(logPath);
    let ended = false;
    child.once('error', () => (ended = true));
    child.once('exit', () => (ended = true));
    await until(async () => ended || this.stopping || (await this.answers()), deadline);
    if (!ended && (await this.answers())) {
      this.postmasterPid = child.pid ?? 0;
      child.once('exit', () => this.exited());
      return null;
    }
    child.kill('SIGQUIT');
    await until(() => ended, Date.now() + abortTimeoutMs);
    return (await readFile(logPath)).subarray(logged).toString('utf8').trim();
  }

  private spawnPostgres(logPath: string): ChildProcess {
    const log = openSync(logPath, 'a', 0o600);
    try {
      const child = spawn(this.binaries.postgres, ['-D', this.cluster, ...this.serverSettings()], {
        ...this.binaries.account,
        cwd: '/',
        // A session of its own: Ctrl-C in the terminal is for us to pass on, in order.
        detached: true,
        // A file, not a pipe, so that the server can outlive us.
        stdio: ['ignore', log, log],
        env: { TZ: 'UTC', LC_ALL: 'C' },
      });
      child.unref();
      return child;
    } finally {
      closeSync(log);
    }
  }

  private serverSettings(): string[] {
    const settings = {
      listen_addresses: '',
      unix_socket_directories: this.socketDir,
      unix_socket_permissions: '0700',
      max_connections: '200',
      shared_buffers: '128MB',
      fsync: 'on',
      synchronous_commit: 'on',
      timezone: 'UTC',
      ...this.settings,
    };
    return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  }

  private async answers(): Promise<boolean> {
    try {
      const client = await this.connected();
      await client.end();
      return true;
    } catch {
      return false;
    }
  }

  private async connected(): Promise<Client> {
    const client = new Client({ connectionString: this.url('postgres'), connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** An adopted server is not our child, so its end is seen only by looking. */
  private watchOrphan(pid: number): void {
    const timer = setInterval(() => {
      if (isAlive(pid)) return;
      clearInterval(timer);
      this.exited();
    }, 250);
    timer.unref();
  }

  private exited(): void {
    if (this.stopping) return;
    for (const listener of this.exitListeners) listener();
  }
}

/** Made under another name first: a directory with PG_VERSION in it is a whole cluster. */
async function initialise(binaries: PostgresBinaries, cluster: string, dataDir: string): Promise<void> {
  const unfinished = `${cluster}.unfinished`;
  await rm(unfinished, { recursive: true, force: true });
  await ownDirectory(unfinished, binaries.account);
  const child = spawn(
    binaries.initdb,
    // Text sorts by code point, the same on every machine. Trust: who can enter the socket's directory is the user.
    ['-D', unfinished, '-U', superuser, '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-instructions'],
    {
      ...binaries.account,
      cwd: '/',
      // As for the server: Ctrl-C is for us to act upon, once this is done.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { TZ: 'UTC', LC_ALL: 'C' },
    },
  );
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  const code = await new Promise<number | null>((done, failed) => {
    child.once('error', failed).once('close', done);
  });
  if (code !== 0) {
    await rm(unfinished, { recursive: true, force: true });
    throw new EmbeddedPostgresError(`initdb failed in ${dataDir}:\n${complaint.trim()}`);
  }
  await rename(unfinished, cluster);
}

async function assertSameMajor(binaries: PostgresBinaries, cluster: string): Promise<void> {
  const major = (await readFile(join(cluster, 'PG_VERSION'), 'utf8')).trim();
  if (major === binaries.major) return;
  throw new EmbeddedPostgresError(
    `${cluster} was made by PostgreSQL ${major}, and this build brings ${binaries.major}. The log is in there: ` +
      'move it with pg_upgrade or pg_dump, or choose another DATA_DIR.',
  );
}

async function until(condition: () => boolean | Promise<boolean>, deadline: number): Promise<void> {
  while (!(await condition()) && Date.now() < deadline) await delay(pollIntervalMs);
}

function signalIfAlive(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has just ended.
  }
}
