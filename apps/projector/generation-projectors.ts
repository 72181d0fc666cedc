import { setTimeout as delay } from 'node:timers/promises';
import { Client, type Pool } from 'pg';
import type { ProjectionTier } from '../../projections/tier';
import { LogMismatch, type EventStore } from '../shared/event-store/event-store';
import { listGenerations, soleTargetOf, type Generation } from '../shared/generations/generations';
import type { MailParser } from '../shared/mail/mail-parser';
import { assertSafe } from '../shared/postgres/self-check';
import { untilAvailable } from '../shared/postgres/retry';
import type { Logger } from '../shared/process/log';
import { projectGeneration } from '../shared/projecting/project-generation';

export interface GenerationProjectorsOptions {
  readonly tiers: readonly ProjectionTier[];
  readonly controlUrl: string;
  readonly controlPool: Pool;
  /** By tier; role mailfold_projector. */
  readonly pools: ReadonlyMap<string, Pool>;
  readonly store: EventStore;
  readonly parser: MailParser;
  readonly owner: string;
  readonly log: Logger;
}

interface Running {
  readonly generation: Generation;
  readonly stop: AbortController;
  readonly done: Promise<void>;
  /** Set when the log is not the one its checkpoint names: it stays as it is until somebody has looked. */
  stoppedBy: string | null;
}

const pollIntervalMs = 1_000;

/**
 * Keeps every generation that is `tailing` at the end of the log, the one that serves and those beside it alike: that is
 * what makes a rollback instant. Generations that appear or retire are noticed by LISTEN, or within a second.
 */
export class GenerationProjectors {
  private readonly running = new Map<string, Running>();
  private readonly stop = new AbortController();
  private wake: () => void = () => undefined;
  private watching: Promise<void> = Promise.resolve();

  constructor(private readonly options: GenerationProjectorsOptions) {}

  start(): void {
    this.watching = Promise.all([this.watch(), this.listen()]).then(() => undefined);
  }

  /** Lets transactions under way finish and gives up the leases. */
  async close(): Promise<void> {
    this.stop.abort();
    this.wake();
    for (const { stop } of this.running.values()) stop.abort();
    await Promise.all([this.watching, ...[...this.running.values()].map(({ done }) => done)]);
  }

  generations(): { readonly generation: Generation; readonly stoppedBy: string | null }[] {
    return [...this.running.values()].map(({ generation, stoppedBy }) => ({ generation, stoppedBy }));
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
    const wanted = new Map<string, Generation>();
    for (const generation of await listGenerations(this.options.controlPool)) {
      if (generation.state === 'tailing')
        wanted.set(`${generation.tier} ${generation.generation}`, generation);
    }
    for (const [name, { stop, done }] of this.running) {
      if (wanted.has(name)) continue;
      stop.abort();
      await done;
      this.running.delete(name);
    }
    for (const [name, generation] of wanted) {
      const tier = this.options.tiers.find((known) => known.tier === generation.tier);
      if (tier && !this.running.has(name) && !this.stop.signal.aborted) this.project(name, tier, generation);
    }
  }

  private project(name: string, tier: ProjectionTier, generation: Generation): void {
    const { log } = this.options;
    const about = { tier: tier.tier, generation: generation.generation };
    const stop = new AbortController();
    const running: Running = { generation, stop, stoppedBy: null, done: Promise.resolve() };
    log.info(about, 'projecting');
    const done = this.run(tier, generation, stop.signal).catch((error: unknown) => {
      running.stoppedBy = error instanceof Error ? error.message : String(error);
      log.fatal({ ...about, err: error }, 'stopped for good');
    });
    this.running.set(name, Object.assign(running, { done }));
  }

  private async run(
    tier: ProjectionTier,
    known: Generation,
    signal: AbortSignal,
  ): Promise<void> {
    const { generation } = known;
    const { schema } = soleTargetOf(known);
    const { store, parser, owner, log, pools } = this.options;
    const pool = pools.get(tier.tier);
    if (pool === undefined) throw new Error(`No database is configured for tier ${tier.tier}`);
    const about = { tier: tier.tier, generation };
    await untilAvailable(() => assertSafe(pool, [schema]), { signal });
    await projectGeneration({
      ...{ store, tier, pool, generation, schema, owner, signal },
      parser: tier.withContent ? parser : null,
      onCaughtUp: () => log.info(about, 'at the end of the log'),
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
        client.on('notification', () => this.wake());
        await client.query('listen mailfold_control');
        await Promise.race([ended, aborted]);
      } catch (error) {
        this.options.log.debug({ err: error }, 'not listening; polling goes on');
      }
      await client.end().catch(() => undefined);
      await delay(pollIntervalMs, undefined, { signal: this.stop.signal }).catch(() => undefined);
    }
  }
}
