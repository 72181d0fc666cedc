import { setTimeout as delay } from 'node:timers/promises';
import { partHolding, type Target } from '../../shared/generations/placement';
import type { Logger } from '../../shared/process/log';
import { noPosition } from './lane-positions';
import type { Placements, TierPlacement } from './placements';
import { PositionNotReached, type ReadTier } from './read-tier';
import { SwitchFloors } from './switch-floors';
import type { TargetPart } from './target-parts';
import type { TierDatabase } from './tier-database';
import { readParts, type PartRows, type TenantRows } from './tenant-rows';

const pollIntervalMs = 25;

/** Which part of a tier answers a request: what serves the tenant, unless the request names a generation. */
export interface PinRequest {
  readonly tenantId: string;
  /** Position of the log that the answer must know, if any. */
  readonly after: bigint | null;
  /** How long to wait for it. */
  readonly timeoutMs: number;
  /** Instead of what serves. `mayTail`: also one that is not frozen. */
  readonly generation?: { readonly number: number; readonly mayTail: boolean } | undefined;
}

/** A part of a tenant's rows in the database where it lies. */
export interface PinnedPart extends TargetPart {
  readonly database: TierDatabase;
}

/** The places chosen for the whole of one request, and how far a read of them is certain to see. */
export interface Pin {
  readonly tenantId: string;
  readonly parts: readonly PinnedPart[];
  /** Null while nothing is known of the lanes. */
  readonly position: bigint | null;
  /** Null when answers must not come from the cache: nobody listens, or not everything is heard yet. */
  readonly version: string | null;
}

interface Waiting {
  readonly parts: readonly PinnedPart[];
  readonly wake: () => void;
}

/** One tier as this process reads it: where its rows are, and how far they have come. */
export class TierReader {
  private readonly databases = new Map<string, TierDatabase>();
  private readonly floors = new SwitchFloors();
  private readonly waiting = new Set<Waiting>();
  private polling = false;

  constructor(
    readonly tier: ReadTier,
    private readonly placements: Placements,
    /** Throws TierUnavailable for a database this process has no URL of. */
    private readonly open: (databaseRef: string, onNews: () => void) => TierDatabase,
    private readonly log: Logger,
  ) {
    placements.onChange((now, before) => {
      if (now.tier === tier) this.follow(now, before);
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.databases.values()].map((database) => database.close()));
  }

  /** Whether commits are heard as they happen, in all databases of the tier. */
  get listening(): boolean {
    const databases = [...this.databases.values()];
    return databases.length > 0 && databases.every(({ listening }) => listening);
  }

  /**
   * What serves the tenant, once that has reached `after`, and once it has reached what served before it: no reader is taken
   * back by a switch. Throws {@link PositionNotReached} when it has not within `timeoutMs`, and TierUnavailable or
   * UnknownGeneration. A position is one of the log, so it means the same in every generation (rebuild.md §4g).
   */
  async pin(request: PinRequest): Promise<Pin> {
    const { tenantId, after, timeoutMs, generation } = request;
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const placement = await this.placements.of(this.tier);
      const parts = await this.partsFor(placement, request);
      const pin = pinOf(tenantId, parts);
      const floor = generation === undefined ? this.floors.under(parts) : noPosition;
      const least = after !== null && after > floor ? after : floor;
      if (least === noPosition || (pin.position !== null && pin.position >= least)) return pin;
      const leftMs = deadline - performance.now();
      const willCome = generation === undefined || !placement.isFrozen(generation.number);
      if (leftMs <= 0 || !willCome) throw new PositionNotReached(this.tier, least);
      await this.change(parts, leftMs);
    }
  }

  /** Runs `work` on all parts of the pin, in one transaction per database that sees the tenant's rows only. */
  async readAll<T>({ tenantId, parts }: Pin, work: (rows: TenantRows) => Promise<T>): Promise<T> {
    return readParts(parts, tenantId, work);
  }

  /** As {@link readAll}, on the part that holds the rows of one entity: nothing is asked of the others. */
  async readOne<T>(
    { tenantId, parts }: Pin,
    entityId: string,
    work: (part: PartRows) => Promise<T>,
  ): Promise<T> {
    const holding = parts.length === 1 ? parts : [partHolding(parts, tenantId, entityId)];
    return readParts(holding, tenantId, (rows) => work(rows.holding(entityId)));
  }

  /** Called after a read failed for want of a table: the generation was retired just after it had been pinned. */
  async forgetPlacement(): Promise<void> {
    await this.placements.refresh();
  }

  /** Asks the databases that serve tenants without a place of their own. Throws what they, or the placement, throw. */
  async probe(): Promise<void> {
    const placement = await this.placements.of(this.tier);
    await Promise.all(
      placement.servingParts(null).map(({ target }) => this.databaseOf(target).look(target.schema)),
    );
  }

  /** Refuses targets whose tables would show a tenant the rows of another (reliability.md B2): throws UnsafeDatabase. */
  async check(): Promise<void> {
    const placement = await this.placements.of(this.tier);
    for (const group of placement.tenantGroups)
      for (const { target } of placement.servingParts(group))
        await this.databaseOf(target).prepare(target.schema);
  }

  private async partsFor(
    placement: TierPlacement,
    { tenantId, generation }: PinRequest,
  ): Promise<PinnedPart[]> {
    const parts =
      generation === undefined
        ? placement.servingParts(tenantId)
        : placement.partsIn(
            generation.number,
            tenantId,
            generation.mayTail ? ['frozen', 'tailing'] : ['frozen'],
          );
    const pinned = parts.map((part) => ({ ...part, database: this.databaseOf(part.target) }));
    const fresh = pinned.filter(({ database, target }) => !database.isReady(target.schema));
    if (fresh.length > 0)
      await Promise.all(fresh.map(({ database, target }) => database.prepare(target.schema)));
    return pinned;
  }

  private databaseOf({ databaseRef }: Target): TierDatabase {
    const known = this.databases.get(databaseRef);
    if (known !== undefined) return known;
    const database = this.open(databaseRef, () => this.wake());
    this.databases.set(databaseRef, database);
    database.start();
    return database;
  }

  /**
   * What tails may serve next: it is listened to and checked before it does, so that its first readers wait for nothing.
   */
  private follow(now: TierPlacement, before: TierPlacement | undefined): void {
    const furthest = (target: Target): bigint =>
      this.databases.get(target.databaseRef)?.lanesOf(target.schema).furthest ?? noPosition;
    if (before !== undefined) this.floors.raise(before, now, furthest);
    const schemas = new Map<TierDatabase, Set<string>>();
    for (const database of this.databases.values()) schemas.set(database, new Set());
    for (const { state, targets } of now.generations) {
      if (state === 'building') continue;
      for (const target of targets) {
        try {
          const database = this.databaseOf(target);
          schemas.set(database, (schemas.get(database) ?? new Set()).add(target.schema));
        } catch (error) {
          this.log.error({ err: error, tier: this.tier }, 'a target that cannot be read from here');
        }
      }
    }
    for (const [database, names] of schemas) {
      database.watch(names);
      for (const schema of names)
        database.prepare(schema).catch((error: unknown) => {
          this.log.warn({ err: error, tier: this.tier, kind: schema }, 'a target is not ready to be read');
        });
    }
  }

  /** Resolves when something became known, or after `timeoutMs`. */
  private async change(parts: readonly PinnedPart[], timeoutMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.waiting.delete(waiting);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      const waiting: Waiting = { parts, wake };
      this.waiting.add(waiting);
      if (!this.polling) void this.poll();
    });
  }

  /** One for all who wait, and only while somebody does: notices come sooner, but may be lost. */
  private async poll(): Promise<void> {
    this.polling = true;
    while (this.waiting.size > 0) {
      await delay(pollIntervalMs);
      const parts = [...this.waiting].flatMap((each) => each.parts);
      const bySchema = new Map(parts.map((part) => [part.target.schema, part]));
      await Promise.all(
        [...bySchema].map(([schema, { database }]) =>
          database.look(schema).catch((error: unknown) => {
            this.log.debug({ err: error, tier: this.tier }, 'could not look for a position');
          }),
        ),
      );
      this.wake();
    }
    this.polling = false;
  }

  private wake(): void {
    for (const { wake } of [...this.waiting]) wake();
  }
}

function pinOf(tenantId: string, parts: readonly PinnedPart[]): Pin {
  let position: bigint | null = null;
  const versions: string[] = [];
  for (const { database, target, ranges } of parts) {
    const scope = { tenantId, ranges };
    const lanes = database.lanesOf(target.schema);
    const reached = lanes.reached(scope);
    if (reached === null) return { tenantId, parts, position: null, version: null };
    if (position === null || reached < position) position = reached;
    const version = database.listening ? lanes.versionOf(scope) : null;
    if (version !== null) versions.push(JSON.stringify([target.schema, ranges, version]));
  }
  return { tenantId, parts, position, version: versions.length === parts.length ? versions.join() : null };
}
