import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { appendSampleLog } from '../../apps/dev/sample-log/append-sample-log';
import { sampleLog, type SampleLog } from '../../apps/dev/sample-log/sample-log';
import { createEventStore } from '../../apps/shared/event-store/esdb-event-store';
import type { EventStore } from '../../apps/shared/event-store/event-store';
import { cutOver } from '../../apps/shared/generations/cut-over';
import {
  createGeneration,
  databaseRefOf,
  ensureFirstGeneration,
  listGenerations,
  urlNamed,
  type Generation,
  type TargetToMake,
} from '../../apps/shared/generations/generations';
import {
  coverageOf,
  partsOf,
  readPlacement,
  type Move,
  type Target,
} from '../../apps/shared/generations/placement';
import { createKeyRing } from '../../apps/shared/keys/key-ring';
import { migrate } from '../../apps/shared/postgres/migrate';
import { createPool } from '../../apps/shared/postgres/pool';
import { keepLanes } from '../../apps/shared/projecting/keep-lanes';
import { TierFeeds } from '../../apps/shared/projecting/tier-feeds';
import type { ProjectionTier } from '../../projections/tier';
import { tablesOf } from '../../projections/tiers';
import { startTestNode, type TestNode } from './event-store-node';
import { eventually } from './eventually';
import { queryAsSuperuser } from './postgres';

const bounds = {
  ...{ applicationName: 'test', maxConnections: 4, connectionTimeoutMs: 5_000 },
  ...{ statementTimeoutMs: 30_000, queryTimeoutMs: 31_000 },
};

/**
 * A log of one node and tiers in several databases, all real: what keeps every generation at the end of the log is the
 * projector's own work, in this process. The log is a sample log, which goes on as far as a test wants it to.
 */
export class TierSystem {
  readonly rootKey = randomBytes(32);
  readonly urls = new Map<string, string>();
  private readonly stop = new AbortController();
  private readonly projecting = new Map<
    string,
    { readonly stop: AbortController; readonly done: Promise<void> }
  >();
  private readonly pools: Pool[] = [];
  private watching: Promise<void> = Promise.resolve();
  private readonly writing: Promise<unknown>[] = [];
  private acts: SampleLog['acts'] | undefined;
  tenants: readonly string[] = [];

  private constructor(
    readonly tiers: readonly ProjectionTier[],
    readonly node: TestNode,
    readonly control: Pool,
    readonly controlUrl: string,
    readonly keysUrl: string,
  ) {}

  /** `databases` per tier: `OLTP_DATABASE_URL`, `OLTP_DATABASE_URL_2`… Their first generations are tailing. */
  static async start(tiers: readonly ProjectionTier[], databases = 1): Promise<TierSystem> {
    const node = await startTestNode();
    const { postgres } = node;
    const [controlUrl, keysUrl] = [await postgres.createDatabase(), await postgres.createDatabase()];
    await migrate(controlUrl, 'control');
    await migrate(keysUrl, 'keys');
    const system = new TierSystem(tiers, node, createPool(controlUrl, bounds), controlUrl, keysUrl);
    for (const { tier } of tiers) {
      for (let n = 1; n <= databases; n++)
        system.urls.set(databaseRefOf(tier) + (n === 1 ? '' : `_${n}`), await postgres.createDatabase());
      await ensureFirstGeneration(system.control, urlNamed(system.urls, databaseRefOf(tier)), tier);
    }
    system.watching = system.watch();
    return system;
  }

  readonly eventStoreUrl = (): string => this.node.url();

  private opened: EventStore | undefined;
  get store(): EventStore {
    this.opened ??= createEventStore({
      url: this.node.url(),
      keys: createKeyRing({ pool: this.pool(this.keysUrl), rootKey: this.rootKey }),
    });
    return this.opened;
  }

  /** Appends at least so many events more of the sample log: at once, or one act after the other until aborted. */
  async append(
    events: number,
    pace?: { readonly perSecond: number; readonly signal: AbortSignal },
  ): Promise<void> {
    // Aborted itself, it would drop an act that it has taken, and those behind it would not fit any more.
    const { signal } = new AbortController();
    const writing = appendSampleLog(this.store, this.nextActs(events, pace), { signal });
    this.writing.push(writing.catch(() => undefined));
    await writing;
  }

  private async *nextActs(
    events: number,
    pace?: { readonly perSecond: number; readonly signal: AbortSignal },
  ): SampleLog['acts'] {
    if (this.acts === undefined) {
      const keys = createKeyRing({ pool: this.pool(this.keysUrl), rootKey: this.rootKey });
      const sample = sampleLog({ seed: 5, events: 1_000_000, tenants: 5, keys });
      this.tenants = sample.tenants.map(({ tenantId }) => tenantId);
      this.acts = sample.acts;
    }
    for (let appended = 0; appended < events && pace?.signal.aborted !== true && !this.stop.signal.aborted;) {
      const next = await this.acts.next();
      if (next.done === true) throw new Error('the sample log has ended');
      const count = next.value.appends.reduce((sum, each) => sum + each.events.length, 0);
      appended += count;
      if (pace !== undefined) await delay((1_000 * count) / pace.perSecond);
      yield next.value;
    }
  }

  pool(url: string, role?: string): Pool {
    const pool = createPool(url, { ...bounds, ...(role === undefined ? {} : { role }) });
    this.pools.push(pool);
    return pool;
  }

  /** Resolves once every lane of these targets has come to the end of the log as it is now. */
  async level(targets: readonly Target[]): Promise<void> {
    const head = await this.store.head();
    await eventually(async () => {
      for (const { databaseRef, schema } of targets) {
        const rows = await queryAsSuperuser<{ position: string | null }>(
          urlNamed(this.urls, databaseRef),
          `select commit_position::text as position from ${schema}.checkpoints`,
        );
        for (const { position } of rows) expect(BigInt(position ?? -1)).toBeGreaterThanOrEqual(head ?? 0n);
      }
    });
  }

  /** Every row of the targets as text, with its table, in order; for some also of a tenant or slots. */
  async rowsOf(targets: readonly Target[], where = 'true'): Promise<string[]> {
    const found: string[] = [];
    for (const target of targets)
      for (const { name } of tablesOf(this.tierOf(target))) {
        const rows = await queryAsSuperuser<{ row: string }>(
          urlNamed(this.urls, target.databaseRef),
          `select to_jsonb(t)::text as row from ${target.schema}.${name} t where ${where}`,
        );
        found.push(...rows.map(({ row }) => `${name} ${row}`));
      }
    return found.sort();
  }

  /** Σ over the lanes of the targets. */
  async talliesOf(targets: readonly Target[]): Promise<{ events: number; hi: bigint; lo: bigint }> {
    let [events, hi, lo] = [0, 0n, 0n];
    for (const { databaseRef, schema } of targets)
      for (const row of await queryAsSuperuser<{ events: number; hi: string; lo: string }>(
        urlNamed(this.urls, databaseRef),
        `select events::int as events, id_digest_hi::text as hi, id_digest_lo::text as lo from ${schema}.checkpoints`,
      )) {
        events += row.events;
        hi = BigInt.asUintN(64, hi + BigInt(row.hi));
        lo = BigInt.asUintN(64, lo + BigInt(row.lo));
      }
    return { events, hi, lo };
  }

  async targetsOf({ tier }: ProjectionTier, generation: number): Promise<readonly Target[]> {
    const known = await listGenerations(this.control, tier);
    return known.find((each) => each.generation === generation)?.targets ?? [];
  }

  /** A re-partition's generation, still empty. */
  made({ tier }: ProjectionTier, ...targets: TargetToMake[]): Promise<Generation> {
    return createGeneration(this.control, this.urls, tier, {
      ...{ codeVersion: 'test', kind: 'repartition', targets },
    });
  }

  /** As a copy takes it, from or to. */
  readonly placeOf = (target: Target) => ({
    ...{ generation: target.generation, schema: target.schema, coverage: coverageOf(target) },
    databaseUrl: urlNamed(this.urls, target.databaseRef),
  });

  switchTo({ tier }: ProjectionTier, ...moves: Move[]): ReturnType<typeof cutOver> {
    return cutOver({ control: this.control, urls: this.urls, tier, moves, signal: this.stop.signal });
  }

  /** Where a tenant is read, such as `0-4095 g1@OLTP_DATABASE_URL`. */
  async servedFrom({ tier }: ProjectionTier, tenantId: string): Promise<string[]> {
    const placement = await readPlacement(this.control, tier);
    return partsOf(placement, tenantId).map(
      ({ slots, target }) => `${slots.from}-${slots.to} ${target.schema}@${target.databaseRef}`,
    );
  }

  async close(): Promise<void> {
    this.stop.abort();
    await Promise.all([this.watching, ...this.writing]);
    await Promise.all([...this.projecting.values()].map(({ done }) => done));
    await this.opened?.close();
    await Promise.all([this.control, ...this.pools].map((pool) => pool.end()));
    await this.node.stop();
  }

  private tierOf(target: Target): ProjectionTier {
    const tier = this.tiers.find((known) => known.tier === target.tier);
    if (tier === undefined) throw new Error(`The system has no tier ${target.tier}`);
    return tier;
  }

  private async watch(): Promise<void> {
    while (!this.stop.signal.aborted) {
      const wanted = new Map<string, Target>();
      for (const { state, targets } of await listGenerations(this.control))
        if (state === 'tailing') for (const target of targets) wanted.set(nameOf(target), target);
      for (const [name, { stop }] of this.projecting) if (!wanted.has(name)) stop.abort();
      for (const [name, target] of wanted) if (!this.projecting.has(name)) this.project(name, target);
      await delay(50);
    }
  }

  private project(name: string, target: Target): void {
    const stop = new AbortController();
    const signal = AbortSignal.any([this.stop.signal, stop.signal]);
    const tier = this.tierOf(target);
    const done = keepLanes({
      ...{ tier: tier.tier, schema: target.schema, signal },
      pool: this.pool(urlNamed(this.urls, target.databaseRef), 'mailfold_projector'),
      owner: `test ${name}`,
      isOurs: () => true,
      feeds: new TierFeeds({ store: this.store, tier, parser: null, signal }),
    });
    this.projecting.set(name, { stop, done });
  }
}

function nameOf({ tier, generation, shard }: Target): string {
  return `${tier} ${generation} ${shard}`;
}
