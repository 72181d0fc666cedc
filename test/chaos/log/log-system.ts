import { copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { nodeMain } from '../../support/event-store-node';
import { eventually } from '../../support/eventually';
import { queryAsSuperuser, startTestPostgres, type TestPostgres } from '../../support/postgres';
import { signalAll, startProcess, type TestProcess } from '../../support/processes';

const heldUpMs = 100;

/** Whether the backends die with their postmaster, or go on until they notice. */
export type PostgresDeath = 'postmaster' | 'whole server';

/** The embedded node over an embedded PostgreSQL, both there to be killed. */
export class LogSystem {
  private killed = false;
  private frozen: readonly number[] = [];
  private readonly outputs: (() => string)[] = [];
  /** One line per end of the node that nobody here asked for. It must live through whatever PostgreSQL does. */
  readonly unaskedEnds: string[] = [];

  private constructor(
    private readonly postgres: TestPostgres,
    readonly databaseUrl: string,
    private node: TestProcess,
  ) {
    this.watch(node);
    process.once('exit', this.thaw);
  }

  static async start(postgresSettings: Record<string, string> = {}): Promise<LogSystem> {
    const postgres = await startTestPostgres(postgresSettings);
    try {
      const databaseUrl = await postgres.createDatabase();
      return new LogSystem(postgres, databaseUrl, await startNode(databaseUrl, 0));
    } catch (error) {
      await postgres.stop();
      throw error;
    }
  }

  get url(): string {
    return `esdb://127.0.0.1:${this.node.port}?tls=false`;
  }

  /** SIGKILL; resolves when the next one is ready, on the same port. */
  async killNode(downMs: number): Promise<void> {
    await this.endNode();
    await delay(downMs);
    await this.startNodeAgain();
  }

  /** SIGKILL; resolves when PostgreSQL answers again, which may be before the node has noticed. */
  async killPostgres(death: PostgresDeath, downMs: number): Promise<void> {
    const backends = death === 'whole server' ? await this.backends() : [];
    signalAll([this.postgres.server.pid, ...backends], 'SIGKILL');
    await delay(downMs);
    await this.postgres.server.restart();
  }

  /** SIGKILL of all at once, as when the power goes, except that the disk keeps what it was given. */
  async killEverything(downMs: number): Promise<void> {
    const backends = await this.backends();
    signalAll([this.postgres.server.pid, ...backends], 'SIGKILL');
    await this.endNode();
    await delay(downMs);
    await this.postgres.server.restart();
    await this.startNodeAgain();
  }

  /** Ends the session that holds the writer's lock, as an operator or a failing-over server does. */
  async terminateWriterSession(): Promise<void> {
    await eventually(async () => {
      const ended = await queryAsSuperuser(
        this.databaseUrl,
        `select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted
         and database = (select oid from pg_database where datname = current_database())`,
      );
      if (ended.length === 0) throw new Error('no session holds the lock of the writer');
    });
  }

  /** Locks the log against appends, and waits until one must have run into it. Resolves with the way to unlock it. */
  async holdUpAppends(): Promise<() => Promise<void>> {
    const client = new Client({ connectionString: this.databaseUrl });
    // It dies with the server.
    client.on('error', () => undefined);
    await client.connect();
    await client.query('begin; lock table appends in share mode');
    await delay(heldUpMs);
    return () => client.end().catch(() => undefined);
  }

  async freezeNode(forMs: number): Promise<void> {
    await this.freeze([this.node.pid], forMs);
  }

  async freezePostgres(forMs: number): Promise<void> {
    await this.freeze([this.postgres.server.pid, ...(await this.backends())], forMs);
  }

  /** What the processes said, for whoever has to find out. */
  async keepOutput(folder: string): Promise<void> {
    const texts = this.outputs.map((output, index) => `== node ${index + 1}\n${output()}`);
    await writeFile(join(folder, 'node.log'), texts.join('\n'));
    await copyFile(join(this.postgres.dataDir, 'log', 'postgres.log'), join(folder, 'postgres.log'));
  }

  async stop(): Promise<void> {
    process.off('exit', this.thaw);
    this.killed = true;
    await this.node.stop();
    await this.postgres.stop();
  }

  private async freeze(pids: readonly number[], forMs: number): Promise<void> {
    this.frozen = pids;
    signalAll(pids, 'SIGSTOP');
    await delay(forMs);
    this.thaw();
  }

  /** Also when we end meanwhile: what is frozen cannot follow. */
  private readonly thaw = (): void => {
    signalAll(this.frozen, 'SIGCONT');
    this.frozen = [];
  };

  /** All processes of the server but the postmaster: sessions, and the helpers such as the one that writes the WAL. */
  private async backends(): Promise<number[]> {
    const rows = await queryAsSuperuser<{ pid: number }>(
      this.databaseUrl,
      'select pid from pg_stat_activity where pid <> pg_backend_pid()',
    );
    return rows.map(({ pid }) => pid);
  }

  private async endNode(): Promise<void> {
    this.killed = true;
    this.node.kill('SIGKILL');
    await this.node.exited;
  }

  private async startNodeAgain(): Promise<void> {
    this.node = await startNode(this.databaseUrl, this.node.port ?? 0);
    this.watch(this.node);
  }

  private watch(node: TestProcess): void {
    this.killed = false;
    this.outputs.push(node.output);
    void node.exited.then((code) => {
      if (!this.killed) this.unaskedEnds.push(`the node ended by itself with ${code}`);
    });
  }
}

function startNode(databaseUrl: string, port: number): Promise<TestProcess> {
  return startProcess(nodeMain, {
    env: { EVENT_STORE_NODE_DATABASE_URL: databaseUrl, EVENT_STORE_NODE_PORT: String(port) },
    ownGroup: true,
  });
}
