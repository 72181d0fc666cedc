import { Client } from 'pg';
import { migrate } from '../../../apps/shared/postgres/migrate';
import { startTestPostgres, type TestPostgres } from '../../support/postgres';

export type Tier = 'oltp' | 'content' | 'olap';
const tiers: readonly Tier[] = ['oltp', 'content', 'olap'];

/** The names of the columns are the table's own; the rest of a row is filled in. */
export type Row = Readonly<Record<string, unknown>>;

/**
 * The databases a query API reads, filled with plain SQL in place of projectors, so that a test says exactly which rows
 * there are and when a commit is told.
 */
export class ReadSide {
  private constructor(
    readonly postgres: TestPostgres,
    private readonly urls: Readonly<Record<Tier | 'control', string>>,
    private readonly clients: Readonly<Record<Tier | 'control', Client>>,
  ) {}

  /** With generation g1 of each tier, live and at position 0. */
  static async start(): Promise<ReadSide> {
    const postgres = await startTestPostgres();
    const urls = {} as Record<Tier | 'control', string>;
    const clients = {} as Record<Tier | 'control', Client>;
    for (const name of ['control', ...tiers] as const) {
      urls[name] = await postgres.createDatabase();
    }
    await migrate(urls.control, 'control');
    for (const name of ['control', ...tiers] as const) {
      clients[name] = await connected(urls[name]);
    }
    const side = new ReadSide(postgres, urls, clients);
    for (const tier of tiers) {
      await side.createGeneration(tier, 1);
      await side.query(
        'control',
        `insert into pointers (tier, slot_from, slot_to, generation) values ($1, 0, 4095, 1)`,
        [tier],
      );
    }
    return side;
  }

  async stop(): Promise<void> {
    await Promise.all(Object.values(this.clients).map((client) => client.end().catch(() => undefined)));
    await this.postgres.stop();
  }

  /** After the server came back: the sessions of before are gone. */
  async reconnect(): Promise<void> {
    for (const name of ['control', ...tiers] as const) {
      (this.clients as Record<string, Client>)[name] = await connected(this.urls[name]);
    }
  }

  urlOf(name: Tier | 'control'): string {
    return this.urls[name];
  }

  get environment(): Record<string, string> {
    return {
      QUERY_API_PORT: '0',
      CONTROL_DATABASE_URL: this.urls.control,
      OLTP_DATABASE_URL: this.urls.oltp,
      CONTENT_DATABASE_URL: this.urls.content,
      OLAP_DATABASE_URL: this.urls.olap,
    };
  }

  async query<R extends object>(name: Tier | 'control', sql: string, values: unknown[] = []): Promise<R[]> {
    return (await this.clients[name].query<R>(sql, values)).rows;
  }

  async insert(tier: Tier, table: string, row: Row, generation = 1): Promise<void> {
    const columns = Object.keys({ slot: 0, log_position: 0, ...row });
    const values = Object.values({ slot: 0, log_position: 0, ...row });
    await this.query(
      tier,
      `insert into g${generation}.${table} (${columns.join(', ')}) values (${columns.map((_, i) => `$${i + 1}`).join(', ')})`,
      values,
    );
  }

  async createGeneration(tier: Tier, generation: number, position = 0): Promise<void> {
    const schema = `g${generation}`;
    await migrate(this.urls[tier], tier, { schema });
    await this.query('control', `insert into generations values ($1, $2, 'tailing', 'test')`, [
      tier,
      generation,
    ]);
    await this.query(
      'control',
      `insert into generation_targets values ($1, $2, 0, upper($1) || '_DATABASE_URL', $3)`,
      [tier, generation, schema],
    );
    await this.query(
      tier,
      `insert into ${schema}.checkpoints (lane, slot_from, slot_to, commit_position) values (0, 0, 4095, $1)`,
      [position],
    );
  }

  async switchPointer(tier: Tier, generation: number): Promise<void> {
    await this.query(
      'control',
      `update pointers set previous_generation = generation, generation = $2, epoch = epoch + 1 where tier = $1`,
      [tier, generation],
    );
  }

  /** What a lane does at commit: rows, checkpoint and notice in one transaction. */
  async commit(
    tier: Tier,
    position: number,
    tenants: readonly string[],
    {
      rows = [],
      generation = 1,
      silent = false,
    }: { rows?: readonly string[]; generation?: number; silent?: boolean } = {},
  ): Promise<void> {
    await this.query(tier, 'begin');
    for (const sql of rows) await this.query(tier, sql);
    await this.query(tier, `update g${generation}.checkpoints set commit_position = $1, updated_at = now()`, [
      position,
    ]);
    if (!silent) {
      await this.query(tier, `select pg_notify($1, $2)`, [
        `mailfold_${tier}`,
        JSON.stringify({ schema: `g${generation}`, lane: 0, position: String(position), tenants }),
      ]);
    }
    await this.query(tier, 'commit');
  }
}

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
