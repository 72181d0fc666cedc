import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { LogMismatch } from '../event-store/event-store';
import { Lane } from './lane';
import { LaneLost, listLanes, releaseLeases, renewLeases, takeFreeLanes, type LaneLease } from './lane-lease';
import type { ParkedEvent } from './parked-sequences';
import type { Feeds } from './tier-feeds';

/** A target as a process writes it. */
export interface KeptTarget {
  readonly tier: string;
  readonly schema: string;
  /** Connections of role mailfold_projector. */
  readonly pool: Pool;
}

export interface KeepLanesOptions extends KeptTarget {
  /** Names this process in the leases. */
  readonly owner: string;
  /** Which of the target's lanes are this process's share at the moment; asked again all the time. */
  readonly isOurs: (lane: number) => boolean;
  readonly feeds: Feeds;
  readonly signal: AbortSignal;
  readonly batchSizeMax?: number;
  /** Told each time that the leases are renewed and the lanes reviewed, about once a second while the database answers. */
  readonly onReviewed?: () => void;
  /** Called with a function that makes it look at its lanes at once. */
  readonly onWaker?: (wake: () => void) => void;
  readonly onParked?: (parked: ParkedEvent) => void;
  /** Told of everything that interrupts the work; it goes on by itself, except after {@link LogMismatch}. */
  readonly onTrouble?: (error: unknown) => void;
  /** Told of lanes that were fed to the end that the feeds were given. */
  readonly onFed?: (lanes: readonly Lane[]) => void;
}

const renewalIntervalMs = 1_000;
/** While a lane of ours is still another's: it lets go, or its lease runs out. */
const wantingIntervalMs = 100;

/**
 * Keeps this process's share of a target's lanes at work until aborted: takes those that are free, renews their leases,
 * gives up those that have become another's share (after their batch under way), and takes lanes up again after whatever
 * has stopped them. A lane that moves loses nothing: the next holder begins at its checkpoint, under a new epoch.
 * Throws {@link LogMismatch} alone, since nothing this process does can cure it.
 */
export async function keepLanes(options: KeepLanesOptions): Promise<void> {
  await new LaneKeeper(options).run();
}

interface HeldLane {
  readonly lane: Lane;
  readonly stop: AbortController;
}

class LaneKeeper {
  private readonly held = new Map<number, HeldLane>();
  private readonly releases = new Set<Promise<void>>();
  private mismatch: LogMismatch | null = null;
  private wake: () => void = () => undefined;

  constructor(private readonly options: KeepLanesOptions) {}

  async run(): Promise<void> {
    const { signal, onTrouble, onWaker, onReviewed } = this.options;
    onWaker?.(() => this.wake());
    while (!signal.aborted && this.mismatch === null) {
      const woken = new Promise<void>((resolve) => (this.wake = resolve));
      let intervalMs = renewalIntervalMs;
      try {
        if (!(await this.review())) intervalMs = wantingIntervalMs;
        onReviewed?.();
      } catch (error) {
        if (!signal.aborted) onTrouble?.(error);
      }
      const pause = new AbortController();
      await Promise.race([
        woken,
        delay(intervalMs, undefined, {
          signal: AbortSignal.any([signal, pause.signal]),
        }).catch(() => undefined),
      ]);
      pause.abort();
    }
    await this.giveUp([...this.held.keys()]);
    await Promise.all(this.releases);
    if (this.mismatch !== null) throw this.mismatch;
  }

  /** Resolves to whether every lane that is ours is held. */
  private async review(): Promise<boolean> {
    const { pool, schema, owner, isOurs } = this.options;
    await this.renew();
    const ours = (await listLanes(pool, schema)).filter(isOurs);
    await this.giveUp([...this.held.keys()].filter((lane) => !ours.includes(lane)));
    const missing = ours.filter((lane) => !this.held.has(lane));
    if (missing.length === 0) return true;
    const leases = await takeFreeLanes(pool, schema, owner, missing);
    if (leases.length > 0) this.begin(leases);
    return leases.length === missing.length;
  }

  private async renew(): Promise<void> {
    const { pool, schema } = this.options;
    const held = [...this.held.values()];
    const kept = await renewLeases(
      pool,
      schema,
      held.map(({ lane }) => lane.lease),
    );
    for (const { lane } of held)
      if (!kept.has(lane.lease.lane)) this.drop(lane, new LaneLost(lane.lease.lane));
  }

  private begin(leases: readonly LaneLease[]): void {
    const lanes = leases.map((lease) => this.open(lease));
    this.options.feeds.add(lanes, (ended, error) => {
      if (error === undefined) this.options.onFed?.(ended);
      else for (const lane of ended) this.drop(lane, error);
    });
  }

  private open(lease: LaneLease): Lane {
    const { pool, tier, schema, signal, batchSizeMax, onParked, onTrouble } = this.options;
    const stop = new AbortController();
    const lane: Lane = new Lane({
      ...{ pool, tier, schema, lease },
      signal: AbortSignal.any([signal, stop.signal]),
      onStopped: (error) => this.drop(lane, error),
      ...(batchSizeMax === undefined ? {} : { batchSizeMax }),
      ...(onParked ? { onParked } : {}),
      ...(onTrouble ? { onRetry: onTrouble } : {}),
    });
    this.held.set(lease.lane, { lane, stop });
    return lane;
  }

  /** After a failure; the next review takes the lane up again. */
  private drop(lane: Lane, error: unknown): void {
    const { lease } = lane;
    const held = this.held.get(lease.lane);
    if (held?.lane !== lane) return;
    if (!this.options.signal.aborted) this.options.onTrouble?.(error);
    if (error instanceof LogMismatch) {
      this.mismatch = error;
      this.wake();
    }
    void this.giveUp([lease.lane]);
  }

  private async giveUp(numbers: readonly number[]): Promise<void> {
    const leaving = numbers.flatMap((number) => this.held.get(number) ?? []);
    await Promise.all(
      leaving.map(({ lane, stop }) => {
        this.held.delete(lane.lease.lane);
        this.options.feeds.remove(lane);
        stop.abort();
        const release = this.release(lane).finally(() => this.releases.delete(release));
        this.releases.add(release);
        return release;
      }),
    );
  }

  /** Once no transaction of the lane is under way. A lease that cannot be given up runs out. */
  private async release(lane: Lane): Promise<void> {
    await lane.settled().catch(() => undefined);
    await releaseLeases(this.options.pool, this.options.schema, [lane.lease]).catch(() => undefined);
  }
}
