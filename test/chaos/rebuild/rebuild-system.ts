import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'pg';
import { appendSampleLog } from '../../../apps/dev/sample-log/append-sample-log';
import { sampleLog, type SampleAct, type SampleLog } from '../../../apps/dev/sample-log/sample-log';
import { startShardedSystem, type ShardedSystem } from '../../../apps/dev/sharded-system';
import { createEventStore } from '../../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../../apps/shared/event-store/event-store';
import { listGenerations, type Generation } from '../../../apps/shared/generations/generations';
import { createKeyRing } from '../../../apps/shared/keys/key-ring';
import { createPool } from '../../../apps/shared/postgres/pool';
import { copyClusterTemplate } from '../../support/cluster-template';
import { eventually } from '../../support/eventually';
import { queryAsSuperuser } from '../../support/postgres';
import { signalAll } from '../../support/processes';
import { slotDigests, type SlotDigests } from '../../support/tier-rows';

const catchUpTimeoutMs = 300_000;
const pollIntervalMs = 100;
const timeouts = { statementTimeoutMs: 10_000, queryTimeoutMs: 12_000, connectionTimeoutMs: 10_000 };
/** So many more are there to be written while rebuilds run. */
const liveEventsMax = 1_000_000;

/** A run of the tool, as the control database has it. */
export interface RunRow {
  readonly run: number;
  readonly state: string;
  readonly progress: { readonly phase: string } | null;
}

/** A whole Mailfold with a sample log in it, and two more databases for the tier that is rebuilt. */
export class RebuildSystem {
  private constructor(
    private readonly system: ShardedSystem,
    private readonly keysPool: Pool,
    readonly store: EventStore,
    readonly sample: SampleLog,
  ) {}

  static async start(options: {
    readonly dataDir: string;
    readonly events: number;
    readonly seed: number;
    readonly signal: AbortSignal;
    readonly onEvents: (events: number) => void;
  }): Promise<RebuildSystem> {
    const { dataDir, events, seed, signal, onEvents } = options;
    await copyClusterTemplate(dataDir);
    const system = await startShardedSystem({ dataDir, oltpDatabases: ['A', 'B'], signal });
    const { KEYS_DATABASE_URL: keysUrl = '', MAILFOLD_ROOT_KEY: rootKey = '' } = system.environment;
    const keysPool = createPool(keysUrl, { applicationName: 'chaos', maxConnections: 2, ...timeouts });
    const keys = createKeyRing({ pool: keysPool, rootKey: Buffer.from(rootKey, 'base64') });
    const store = createEventStore({ url: system.urls.eventStore, keys });
    const sample = sampleLog({ seed, keys, events: events + liveEventsMax, tenants: 20 });
    const started = new RebuildSystem(system, keysPool, store, sample);
    try {
      await appendSampleLog(store, sample.acts, { signal, eventsMin: events, onProgress: onEvents });
      signal.throwIfAborted();
      await started.untilLevel(signal);
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  get env(): Readonly<Record<string, string>> {
    return this.system.environment;
  }

  get urls(): ShardedSystem['urls'] {
    return this.system.urls;
  }

  get liveActs(): AsyncGenerator<SampleAct> {
    return this.sample.acts;
  }

  /** SIGKILL of all of its processes. It is started again; resolves when it answers. */
  async killPostgres(): Promise<void> {
    const backends = await queryAsSuperuser<{ pid: number }>(
      this.controlUrl,
      'select pid from pg_stat_activity where pid <> pg_backend_pid()',
    );
    signalAll([this.system.postgres.pid, ...backends.map(({ pid }) => pid)], 'SIGKILL');
    await eventually(() => queryAsSuperuser(this.controlUrl, 'select 1'), 60_000);
  }

  /** The latest run of the tool; null while there is none. */
  async latestRun(): Promise<RunRow | null> {
    const rows = await queryAsSuperuser<RunRow>(
      this.controlUrl,
      'select run, state, progress from rebuild_runs order by run desc limit 1',
    );
    return rows[0] ?? null;
  }

  /** Generations of the tier that are there, the live one among them. */
  async generations(): Promise<Generation[]> {
    const pool = new Pool({ connectionString: this.controlUrl, max: 1 });
    try {
      return (await listGenerations(pool, 'oltp')).filter(({ state }) => state !== 'retired');
    } finally {
      await pool.end();
    }
  }

  /** Once nobody writes any more: until the lanes of all generations that are kept up to date stand at the end of the log. */
  async untilLevel(signal: AbortSignal): Promise<void> {
    const head = String(await this.store.head());
    for (const deadline = Date.now() + catchUpTimeoutMs; ;) {
      signal.throwIfAborted();
      const behind = await this.laneBehind(head);
      if (behind === null) return;
      if (Date.now() > deadline) throw new Error(`${behind}, and the log ends at ${head}`);
      await delay(pollIntervalMs, undefined, { signal });
    }
  }

  private async laneBehind(head: string): Promise<string | null> {
    for (const { targets, state, generation } of await this.generations())
      for (const { schema, databaseRef } of state === 'tailing' ? targets : []) {
        const lanes = await queryAsSuperuser<{ position: string | null }>(
          this.urlOf(databaseRef),
          `select commit_position::text as position from ${schema}.checkpoints`,
        );
        const behind = lanes.find(({ position }) => position !== head);
        if (behind !== undefined || lanes.length === 0)
          return `generation ${generation} stands at ${behind?.position ?? 'no lane'}`;
      }
    return null;
  }

  /** What a generation holds, by table and slot, over all its targets. */
  digestsOf({ targets }: Generation): Promise<SlotDigests> {
    return slotDigests(
      targets.map(({ databaseRef, schema, slots }) => ({ url: this.urlOf(databaseRef), schema, slots })),
    );
  }

  urlOf(databaseRef: string): string {
    return this.env[databaseRef] ?? '';
  }

  async stop(): Promise<void> {
    await this.store.close();
    await this.keysPool.end();
    await this.system.stop();
  }

  private get controlUrl(): string {
    return this.urlOf('CONTROL_DATABASE_URL');
  }
}
