import { createHash } from 'node:crypto';
import { DatabaseError } from 'pg';
import type { Cache } from '../../shared/redis/cache';
import { Representation } from './representation';
import type { ReadTier } from './read-tier';
import type { PartRows, TenantRows } from './tenant-rows';
import { tableGone } from './tier-database';
import type { Pin, PinRequest, TierReader } from './tier-reader';

export type TierReaders = Readonly<Record<ReadTier, TierReader>>;

/** Who asks, and from which position of the log on the answer must know everything. */
export interface Reader {
  readonly tenantId: string;
  readonly after: bigint | null;
  /** Tiers to be read in another generation than the one that serves. */
  readonly generations: ReadonlyMap<ReadTier, number>;
  readonly isOperator: boolean;
}

/** How the answer to one request is found. */
export interface ReadPlan {
  /** All tiers the answer is made of; each must have reached the reader's position. */
  readonly tiers: readonly ReadTier[];
  /** Without it the answer is read from the database each time. */
  readonly cache?: {
    readonly route: string;
    readonly parameters: readonly unknown[];
    readonly ttlMs: number;
  };
  /** `null`: there is no such thing, or not for this tenant. Never cached. */
  load(from: ReadFrom): Promise<Representation | null>;
}

/** Reads in the places that were pinned for this request. */
export interface ReadFrom {
  /** All parts of the tenant. */
  all<T>(tier: ReadTier, work: (rows: TenantRows) => Promise<T>): Promise<T>;
  /** The part that holds the rows of one entity. */
  one<T>(tier: ReadTier, entityId: string, work: (rows: PartRows) => Promise<T>): Promise<T>;
}

interface Pinned {
  readonly pins: ReadonlyMap<ReadTier, Pin>;
  readonly position: bigint | null;
  /** What the answer depends on, to the last commit that touched the tenant. */
  readonly stamp: string | null;
}

/** Raised when the JSON of an answer changes its shape: a new process must not serve what an old one cached. */
const shapeVersion = 1;

/** The one way from a request to rows: pin, wait, cache, read (ADR 8). */
export class Reads {
  private readonly flights = new Map<string, Promise<Representation | null>>();

  constructor(
    private readonly readers: TierReaders,
    private readonly cache: Cache,
    private readonly afterWaitMaxMs: number,
  ) {}

  /** `null` when `load` found nothing. Throws PositionNotReached, TierUnavailable, and what the database throws. */
  async answer(reader: Reader, plan: ReadPlan): Promise<Representation | null> {
    try {
      return await this.answerPinned(reader, plan);
    } catch (error) {
      if (!(error instanceof DatabaseError && tableGone.has(error.code ?? ''))) throw error;
      for (const tier of plan.tiers) await this.readers[tier].forgetPlacement();
      return this.answerPinned(reader, plan);
    }
  }

  private async answerPinned(reader: Reader, plan: ReadPlan): Promise<Representation | null> {
    const pinned = await this.pin(reader, plan);
    const load = () => plan.load(this.readFrom(pinned));
    const { stamp } = pinned;
    const answer =
      stamp === null || plan.cache === undefined
        ? await load()
        : await this.shared(stamp, () => this.cached(stamp, plan.cache?.ttlMs ?? 0, load));
    const { position } = pinned;
    return answer && position !== null
      ? answer.with({ 'x-read-model-position': String(position < 0n ? 0n : position) })
      : answer;
  }

  private async pin(reader: Reader, { tiers, cache }: ReadPlan): Promise<Pinned> {
    const pins = new Map<ReadTier, Pin>();
    await Promise.all(
      tiers.map(async (tier) => {
        pins.set(tier, await this.readers[tier].pin(this.requestOf(tier, reader)));
      }),
    );
    const all = [...pins.entries()].sort(([left], [right]) => (left < right ? -1 : 1));
    const versions = all.map(([tier, { version }]) => [tier, version]);
    const mayCache = cache !== undefined && all.every(([, { version }]) => version !== null);
    return {
      pins,
      position: lowest(all.map(([, { position }]) => position)),
      stamp: mayCache
        ? JSON.stringify([shapeVersion, reader.tenantId, versions, cache.route, cache.parameters])
        : null,
    };
  }

  private readFrom({ pins }: Pinned): ReadFrom {
    const pinOf = (tier: ReadTier): Pin => {
      const pin = pins.get(tier);
      if (pin === undefined) throw new Error(`The plan does not name the ${tier} tier`);
      return pin;
    };
    return {
      all: (tier, work) => this.readers[tier].readAll(pinOf(tier), work),
      one: (tier, entityId, work) => this.readers[tier].readOne(pinOf(tier), entityId, work),
    };
  }

  private requestOf(tier: ReadTier, { tenantId, after, generations, isOperator }: Reader): PinRequest {
    const number = generations.get(tier);
    return {
      ...{ tenantId, after, timeoutMs: this.afterWaitMaxMs },
      ...(number === undefined ? {} : { generation: { number, mayTail: isOperator } }),
    };
  }

  /** At most one read per key at a time, however many ask (reliability.md F11). */
  private shared(stamp: string, load: () => Promise<Representation | null>): Promise<Representation | null> {
    const flying = this.flights.get(stamp);
    if (flying !== undefined) return flying;
    const flight = load().finally(() => this.flights.delete(stamp));
    this.flights.set(stamp, flight);
    return flight;
  }

  private async cached(
    stamp: string,
    ttlMs: number,
    load: () => Promise<Representation | null>,
  ): Promise<Representation | null> {
    const key = `mailfold:read:${createHash('sha256').update(stamp).digest('base64url')}`;
    const hit = opened(await this.cache.get(key), stamp);
    if (hit !== null) return hit;
    const answer = await load();
    if (answer !== null && typeof answer.body === 'string') {
      void this.cache.set(key, `${stamp}\n${JSON.stringify(answer.headers)}\n${answer.body}`, ttlMs);
    }
    return answer;
  }
}

/** A value under the wrong key (put there by a restore, or by hand) carries another stamp and counts as missing. */
function opened(value: string | null, stamp: string): Representation | null {
  if (value === null || !value.startsWith(`${stamp}\n`)) return null;
  const bodyAt = value.indexOf('\n', stamp.length + 1) + 1;
  if (bodyAt === 0) return null;
  try {
    const headers = JSON.parse(value.slice(stamp.length + 1, bodyAt - 1)) as Record<string, string>;
    return new Representation(value.slice(bodyAt), headers);
  } catch {
    return null;
  }
}

function lowest(positions: readonly (bigint | null)[]): bigint | null {
  let least: bigint | null = null;
  for (const position of positions) {
    if (position === null) return null;
    if (least === null || position < least) least = position;
  }
  return least;
}
