import type { Pool, PoolClient } from 'pg';
import { listGenerations, type Generation } from '../../shared/generations/generations';
import { partsOf, readPlacement, type Placement } from '../../shared/generations/placement';
import type { Logger } from '../../shared/process/log';
import { ListenConnection } from './listen-connection';
import { allPartsOf, partsAsIfServing, partsByTarget, type TargetPart } from './target-parts';
import { readTiers, TierUnavailable, UnknownGeneration, type ReadTier } from './read-tier';

const pollAgeMaxMs = 1_000;
const plainIdentifier = /^[a-z_][a-z0-9_]{0,62}$/;

/** What one tier has, as last read: what serves whom, and every generation that is not retired. */
export class TierPlacement {
  private readonly byTenant = new Map<string, readonly TargetPart[]>();
  /** The others are all served alike. */
  private readonly tenantsApart: ReadonlySet<string>;

  constructor(
    readonly tier: ReadTier,
    readonly placement: Placement,
    readonly generations: readonly Generation[],
  ) {
    const { tenantPointers, targets } = placement;
    const named = [...tenantPointers, ...targets].flatMap(({ tenantId }) => tenantId ?? []);
    this.tenantsApart = new Set([...named, ...targets.flatMap(({ except }) => except)]);
    for (const { schema } of targets)
      if (!plainIdentifier.test(schema)) throw new Error(`Not a plain identifier: ${JSON.stringify(schema)}`);
  }

  /** By their id, and `null` for the tenants that neither a pointer nor a target names. */
  get tenantGroups(): readonly (string | null)[] {
    return [null, ...this.tenantsApart];
  }

  /** Throws {@link TierUnavailable} while nothing serves. */
  servingParts(tenantId: string | null): readonly TargetPart[] {
    const group = tenantId !== null && this.tenantsApart.has(tenantId) ? tenantId : everybodyElse;
    const known = this.byTenant.get(group) ?? partsByTarget(partsOf(this.placement, group));
    if (known.length === 0) throw new TierUnavailable(this.tier, 'no generation of it serves yet');
    this.byTenant.set(group, known);
    return known;
  }

  isFrozen(number: number): boolean {
    return this.generations.some(({ generation, state }) => generation === number && state === 'frozen');
  }

  /**
   * One that holds a part only and is kept up to date is read as if it served, and the rest from what serves now. Throws
   * {@link UnknownGeneration} when there is none in one of these states, or it is of another time and lacks a part.
   */
  partsIn(number: number, tenantId: string, states: readonly Generation['state'][]): readonly TargetPart[] {
    const generation = this.generations.find(
      (candidate) => candidate.generation === number && states.includes(candidate.state),
    );
    const parts =
      generation?.state === 'tailing'
        ? partsAsIfServing(generation, this.placement, tenantId)
        : generation && allPartsOf(generation, tenantId);
    if (!parts) throw new UnknownGeneration(this.tier, number);
    return parts;
  }
}

/** Stands for every tenant that is not served apart. */
const everybodyElse = '00000000-0000-0000-0000-000000000000';

/**
 * Where the rows of each tier are, told by LISTEN within milliseconds of a switch. When the control database is away the
 * last known answer stands: what served before a switch goes on tailing until it is retired.
 */
export class Placements {
  private known = new Map<ReadTier, TierPlacement>();
  private readAt = Number.NEGATIVE_INFINITY;
  private reading: Promise<void> | null = null;
  private readonly connection: ListenConnection;
  private readonly listeners: ((now: TierPlacement, before: TierPlacement | undefined) => void)[] = [];

  constructor(
    private readonly pool: Pool,
    listenPool: Pool,
    private readonly log: Logger,
  ) {
    this.connection = new ListenConnection(
      listenPool,
      ['mailfold_control'],
      {
        catchUp: (client) => this.read(client),
        // Read anew rather than taken from the payload, so that the order of messages cannot matter.
        notified: () => void this.refresh().catch(() => undefined),
      },
      log,
    );
  }

  start(): void {
    this.connection.start();
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  /** Told of every change before anybody reads by it. */
  onChange(listener: (now: TierPlacement, before: TierPlacement | undefined) => void): void {
    this.listeners.push(listener);
  }

  /** Throws {@link TierUnavailable} while the placement was never read. */
  async of(tier: ReadTier): Promise<TierPlacement> {
    if (!this.connection.up && performance.now() - this.readAt > pollAgeMaxMs) {
      await this.refresh().catch((error: unknown) => {
        if (!this.known.has(tier)) throw error;
      });
    }
    const known = this.known.get(tier);
    if (known === undefined) throw new TierUnavailable(tier, 'no generation of it serves yet');
    return known;
  }

  /** One read at a time, begun after the call: an older one may not know what the caller heard of. */
  async refresh(): Promise<void> {
    while (this.reading !== null) await this.reading.catch(() => undefined);
    this.reading = this.read(this.pool).finally(() => (this.reading = null));
    return this.reading;
  }

  private async read(db: Pool | PoolClient): Promise<void> {
    const generations = await listGenerations(db);
    for (const tier of readTiers) {
      const ofTier = generations.filter((each) => each.tier === tier && each.state !== 'retired');
      this.adopt(tier, await readPlacement(db, tier), ofTier);
    }
    this.readAt = performance.now();
  }

  private adopt(tier: ReadTier, placement: Placement, generations: readonly Generation[]): void {
    const before = this.known.get(tier);
    const isKnown =
      before !== undefined &&
      JSON.stringify([before.placement, before.generations], withBigints) ===
        JSON.stringify([placement, generations], withBigints);
    // A read over another connection may have seen less.
    if (isKnown || placement.epoch < (before?.placement.epoch ?? 0)) return;
    try {
      const now = new TierPlacement(tier, placement, generations);
      for (const listener of this.listeners) listener(now, before);
      this.known.set(tier, now);
    } catch (error) {
      this.log.error({ err: error, tier }, 'a placement that cannot be read by; the one before stands');
    }
  }
}

function withBigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
