import { setTimeout as delay } from 'node:timers/promises';
import { Client, type Pool } from 'pg';
import type { Tier } from '../../projections/projection';
import type { ProjectionTier } from '../../projections/tier';
import { projectionTiers } from '../../projections/tiers';
import { LogMismatch, type EventStore } from '../shared/event-store/event-store';
import { listGenerations } from '../shared/generations/generations';
import type { Target } from '../shared/generations/placement';
import type { MailParser } from '../shared/mail/mail-parser';
import { assertSafe } from '../shared/postgres/self-check';
import { untilAvailable } from '../shared/postgres/retry';
import type { Logger } from '../shared/process/log';
import { keepLanes } from '../shared/projecting/keep-lanes';
import { leaseDurationMs } from '../shared/projecting/lane-lease';
import { holderOf } from '../shared/projecting/lane-shares';
import { TierFeeds } from '../shared/projecting/tier-feeds';
import { ProjectorRoster } from './projector-roster';

export interface GenerationProjectorsOptions {
  readonly tiers: readonly ProjectionTier[];
  readonly controlUrl: string;
  readonly controlPool: Pool;
  /** By the name of the variable that holds its URL; role mailfold_projector. Throws where that is not set. */
  readonly poolOf: (databaseRef: string) => Pool;
  readonly store: EventStore;
  readonly parser: MailParser;
  readonly owner: string;
  readonly log: Logger;
}

/** A target that this process keeps its share of. */
export interface ProjectedTarget extends Target {
  /** Set when the log is not the one its checkpoint names, or its database has no URL: it stays as it is. */
  readonly stoppedBy: string | null;
}

interface Running {
  readonly target: Target;
  readonly stop: AbortController;
  readonly done: Promise<void>;
  stoppedBy: string | null;
  /** When the database last answered, on the clock of `performance`; to begin with, when it was first asked. */
  answeredAt: number;
  wake: () => void;
}

const pollIntervalMs = 1_000;

/**
 * Keeps every generation that is `tailing` at the end of the log, the one that serves and those beside it alike: that is
 * what makes a rollback instant. Each target is on its own, so that one whose database is away stops no other; the lanes
 * of each are shared with the other projector processes. Generations that appear or retire are noticed by LISTEN, or
 * within a second.
 */
export class GenerationProjectors {
  private readonly running = new Map<string, Running>();
  private readonly feeds: ReadonlyMap<Tier, TierFeeds>;
  private readonly roster: ProjectorRoster;
  private readonly stop = new AbortController();
  private wake: () => void = () => undefined;
  private watching: Promise<void> = Promise.resolve();

  constructor(private readonly options: GenerationProjectorsOptions) {
    const { store, parser, tiers, log } = options;
    const { signal } = this.stop;
    this.feeds = new Map(
      tiers.map((tier) => [
        tier.tier,
        new TierFeeds({
          ...{ store, tier, signal, parser: tier.withContent ? parser : null },
          onCaughtUp: () => log.info({ tier: tier.tier }, 'at the end of the log'),
        }),
      ]),
    );
    this.roster = new ProjectorRoster({
      ...options,
      tiers: tiers.map(({ tier }) => tier),
      unreachable: () => this.unreachable(),
      onChange: () => {
        for (const { wake } of this.running.values()) wake();
      },
    });
  }

  start(): void {
    this.watching = Promise.all([this.roster.start().then(() => this.watch()), this.listen()]).then(
      () => undefined,
    );
  }

  /** Lets transactions under way finish and gives up the leases; then the other processes are told. */
  async close(): Promise<void> {
    this.stop.abort();
    this.wake();
    for (const { stop } of this.running.values()) stop.abort();
    await Promise.all([this.watching, ...[...this.running.values()].map(({ done }) => done)]);
    await this.roster.close();
  }

  targets(): ProjectedTarget[] {
    return [...this.running.values()].map(({ target, stoppedBy }) => ({ ...target, stoppedBy }));
  }

  /** By then our leases there have run out, and others may take the lanes. */
  private unreachable(): string[] {
    const now = performance.now();
    const silent = [...this.running.values()].filter(({ answeredAt }) => now - answeredAt > leaseDurationMs);
    return [...new Set(silent.map(({ target }) => target.databaseRef))].sort();
  }

  private async watch(): Promise<void> {
    const { log } = this.options;
    while (!this.stop.signal.aborted) {
      const changed = new Promise<void>((resolve) => (this.wake = resolve));
      try {
        await this.reconcile();
      } catch (error) {
        log.warn(
          { err: error, database: 'control' },
          'generations cannot be read; going on with the known ones',
        );
      }
      await Promise.race([changed, delay(pollIntervalMs, undefined, { signal: this.stop.signal })]).catch(
        () => undefined,
      );
    }
  }

  private async reconcile(): Promise<void> {
    const wanted = new Map<string, Target>();
    for (const { state, targets } of await listGenerations(this.options.controlPool))
      if (state === 'tailing')
        for (const target of targets)
          wanted.set(`${target.tier} ${target.databaseRef} ${target.schema}`, target);
    const gone = [...this.running].filter(([name]) => !wanted.has(name));
    for (const [, { stop }] of gone) stop.abort();
    for (const [name, { done }] of gone) {
      await done;
      this.running.delete(name);
    }
    for (const [name, target] of wanted) {
      const tier = this.options.tiers.find((known) => known.tier === target.tier);
      if (tier && !this.running.has(name) && !this.stop.signal.aborted) this.project(name, tier, target);
    }
  }

  private project(name: string, tier: ProjectionTier, target: Target): void {
    const { log } = this.options;
    const { generation, shard } = target;
    const about = { tier: tier.tier, generation, shard };
    const running: Running = {
      ...{ target, stop: new AbortController(), stoppedBy: null, done: Promise.resolve() },
      answeredAt: performance.now(),
      wake: () => undefined,
    };
    log.info(about, 'projecting');
    const done = this.run(tier, running).catch((error: unknown) => {
      if (running.stop.signal.aborted) return;
      running.stoppedBy = error instanceof Error ? error.message : String(error);
      log.fatal({ ...about, err: error }, 'stopped for good');
    });
    this.running.set(name, Object.assign(running, { done }));
  }

  private async run(tier: ProjectionTier, running: Running): Promise<void> {
    const { owner, log, poolOf } = this.options;
    const { generation, shard, schema, databaseRef } = running.target;
    const { signal } = running.stop;
    const about = { tier: tier.tier, generation, shard };
    const feeds = this.feeds.get(tier.tier);
    if (feeds === undefined) throw new Error(`Tier ${tier.tier} is not projected here`);
    const pool = poolOf(databaseRef);
    await untilAvailable(() => assertSafe(pool, [schema]), { signal });
    const tierIndex = projectionTiers.indexOf(tier);
    await keepLanes({
      ...{ tier: tier.tier, schema, pool, owner, feeds, signal },
      isOurs: (lane) =>
        holderOf(this.roster.of(tier.tier, databaseRef), { tierIndex, generation, shard, lane }) === owner,
      onReviewed: () => (running.answeredAt = performance.now()),
      onWaker: (wake) => (running.wake = wake),
      onParked: ({ event }) =>
        log.error(
          { ...about, eventId: event.id, eventType: event.type, position: event.position },
          'an event was parked with its sequence',
        ),
      onTrouble: (error) => {
        if (!(error instanceof LogMismatch)) log.warn({ ...about, err: error }, 'interrupted; trying again');
      },
    });
  }

  /** A connection of its own: a pool would hand the listening session to somebody else. */
  private async listen(): Promise<void> {
    while (!this.stop.signal.aborted) {
      const client = new Client({ connectionString: this.options.controlUrl });
      const ended = new Promise<void>((resolve) =>
        client.once('end', resolve).once('error', () => resolve()),
      );
      const aborted = new Promise<void>((resolve) =>
        this.stop.signal.addEventListener('abort', () => resolve(), { once: true }),
      );
      try {
        await client.connect();
        client.on('notification', ({ channel }) => {
          if (channel === 'mailfold_projectors') void this.roster.refresh().catch(() => undefined);
          else this.wake();
        });
        await client.query('listen mailfold_control; listen mailfold_projectors');
        await Promise.race([ended, aborted]);
      } catch (error) {
        this.options.log.debug({ err: error }, 'not listening; polling goes on');
      }
      await client.end().catch(() => undefined);
      await delay(pollIntervalMs, undefined, { signal: this.stop.signal }).catch(() => undefined);
    }
  }
}
