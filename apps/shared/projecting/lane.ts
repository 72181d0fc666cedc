import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { covers } from '../generations/coverage';
import { untilAvailable } from '../postgres/retry';
import { inTransaction } from '../postgres/transaction';
import type { Checkpoint, LaneEvent } from './lane-event';
import { beginBatch, isHeld, LaneHeld, LaneLost, moveCheckpoint, type LaneLease } from './lane-lease';
import { addDigests, digestOf, emptyDigest, type IdDigest } from '../log-ledger/id-digest';
import { park, splitBatch, stop, stoppedAmong, type BatchEvent, type ParkedEvent } from './parked-sequences';
import { applyOperations, isPoison } from './row-writer';

export interface LaneOptions {
  /** Connections of role mailfold_projector to the database of the generation. */
  readonly pool: Pool;
  readonly tier: string;
  readonly schema: string;
  readonly lease: LaneLease;
  /** Events per transaction; default 1,000. Larger ones gain nothing and hold more memory (performance.md). */
  readonly batchSizeMax?: number;
  /** Ends the lane after the batch under way, and the retries of one whose database is away. */
  readonly signal: AbortSignal;
  readonly onRetry?: (error: unknown) => void;
  /** Told of what has stopped the lane: {@link LaneLost}, the abort, or a failure of its database that no retry cures. */
  readonly onStopped?: (error: unknown) => void;
  /** Told of every event that was parked, after the commit. */
  readonly onParked?: (parked: ParkedEvent) => void;
}

const bytesPerBatchMax = 8 * 1024 * 1024;
/** A lane that is held goes on this soon after it is let go. */
const holdPollIntervalMs = 3;
/** NOTIFY carries 8,000 bytes. Beyond this number readers take every tenant as changed. */
const tenantsPerNoticeMax = 100;

/**
 * One writer of a range of slots. What is offered is committed in batches as large as they have grown while the last one
 * was written: rows, parked events, checkpoint and notice in one transaction, fenced by the epoch of the lease
 * (architecture.md §5). Its events take effect once, whatever is delivered twice and wherever it is killed.
 */
export class Lane {
  private readonly queue: LaneEvent[] = [];
  private queuedBytes = 0;
  private committed: Checkpoint | null;
  private offered: Checkpoint | null;
  private writing: Promise<void> | null = null;
  private failure: { readonly error: unknown } | null = null;
  private readonly roomWaiters: (() => void)[] = [];
  private readonly batchSizeMax: number;

  constructor(private readonly options: LaneOptions) {
    this.committed = options.lease.checkpoint;
    this.offered = options.lease.checkpoint;
    this.batchSizeMax = options.batchSizeMax ?? 1_000;
  }

  /** The last event whose effects are durable. */
  get checkpoint(): Checkpoint | null {
    return this.committed;
  }

  /** The last event it has been handed, and with it all before; null at the start of the log. */
  get lastOffered(): Checkpoint | null {
    return this.offered;
  }

  get lease(): LaneLease {
    return this.options.lease;
  }

  /**
   * Takes the next event of the log. False: offer no more before {@link room} has resolved. An event at or before the last
   * one is a redelivery and ignored, and so is everything once the lane has stopped.
   */
  accept(event: LaneEvent): boolean {
    if (this.failure !== null) return true;
    if (this.offered === null || event.position > this.offered.position) {
      this.offered = { position: event.position, eventId: event.id };
      this.queue.push(event);
      this.queuedBytes += event.bytes;
      this.writing ??= this.writeQueue();
    }
    return !this.isFull;
  }

  /** Resolves when there is room for another event, or the lane has stopped. */
  async room(): Promise<void> {
    while (this.isFull && this.failure === null)
      await new Promise<void>((resolve) => this.roomWaiters.push(resolve));
  }

  /** {@link accept} and {@link room} in one. Throws what has stopped the lane: LaneLost, or the abort. */
  async offer(event: LaneEvent): Promise<void> {
    this.throwIfStopped();
    if (!this.accept(event)) await this.room();
    this.throwIfStopped();
  }

  /** Resolves when all that was offered is committed. */
  async settled(): Promise<void> {
    await this.writing;
    this.throwIfStopped();
  }

  /** For those who do not offer anything just now: throws what has stopped the lane, if something has. */
  throwIfStopped(): void {
    if (this.failure) throw this.failure.error;
  }

  get isStopped(): boolean {
    return this.failure !== null;
  }

  get isFull(): boolean {
    return this.queue.length >= 2 * this.batchSizeMax || this.queuedBytes >= 2 * bytesPerBatchMax;
  }

  private async writeQueue(): Promise<void> {
    try {
      while (this.queue.length > 0 && !this.options.signal.aborted) {
        await this.commitWhole(this.takeBatch());
        this.wakeWaiters();
      }
      this.options.signal.throwIfAborted();
    } catch (error) {
      this.failure = { error };
      this.options.onStopped?.(error);
    } finally {
      this.writing = null;
      this.wakeWaiters();
    }
  }

  private wakeWaiters(): void {
    for (const wake of this.roomWaiters.splice(0)) wake();
  }

  private takeBatch(): BatchEvent[] {
    let bytes = 0;
    let size = 0;
    for (const event of this.queue) {
      if (size >= this.batchSizeMax || (size > 0 && bytes + event.bytes > bytesPerBatchMax)) break;
      bytes += event.bytes;
      size += 1;
    }
    this.queuedBytes -= bytes;
    const { coverage } = this.options.lease;
    return this.queue
      .splice(0, size)
      .map((event) => ({ ...event, isHome: covers(coverage, event.sequence) }));
  }

  /** Halves a batch that can never be applied until the event that is to blame stands alone; that one is parked. */
  private async commitWhole(batch: readonly BatchEvent[]): Promise<void> {
    try {
      return await this.commit(batch);
    } catch (error) {
      if (!isPoison(error)) throw error;
      const [only, ...others] = batch;
      if (only === undefined) return;
      if (others.length === 0) return this.commit([{ ...only, operations: [], refusal: messageOf(error) }]);
    }
    const middle = Math.ceil(batch.length / 2);
    await this.commitWhole(batch.slice(0, middle));
    await this.commitWhole(batch.slice(middle));
  }

  /** As far as a barrier allows; the rest once it is gone. */
  private async commit(batch: readonly BatchEvent[]): Promise<void> {
    // A barrier may have let the first ones through before a later one turned out to be poison.
    const reached = this.committed?.position ?? null;
    let rest = batch.filter(({ position }) => reached === null || position > reached);
    while (rest.length > 0) {
      try {
        return await this.commitNow(rest);
      } catch (error) {
        if (!(error instanceof LaneHeld)) throw error;
        const allowed = rest.filter(({ position }) => position <= error.position);
        if (allowed.length > 0) await this.commitNow(allowed);
        rest = rest.slice(allowed.length);
        await this.untilLetGo();
      }
    }
  }

  private async untilLetGo(): Promise<void> {
    const { pool, schema, lease, signal } = this.options;
    while (await untilAvailable(() => isHeld(pool, schema, lease), { signal }))
      await delay(holdPollIntervalMs, undefined, { signal });
  }

  /** Transient errors are waited out for ever: a lane never skips and never gives up by itself. */
  private async commitNow(batch: readonly BatchEvent[]): Promise<void> {
    const last = batch.at(-1);
    if (last === undefined) return;
    const to = { position: last.position, eventId: last.id };
    const { signal, onRetry } = this.options;
    const parked = await untilAvailable(() => this.write(batch, to), {
      signal,
      delayMaxMs: 2_000,
      ...(onRetry ? { onRetry } : {}),
    });
    this.committed = to;
    for (const event of parked) this.options.onParked?.(event);
  }

  private async write(batch: readonly BatchEvent[], to: Checkpoint): Promise<ParkedEvent[]> {
    const { pool, schema, lease } = this.options;
    const effective = batch.filter(isEffective);
    const tenantIds = tenantsOf(effective);
    return inTransaction(pool, async (client) => {
      const { position, holdAt } = await beginBatch(client, schema, lease, tenantIds);
      // A connection lost during COMMIT leaves it open whether that succeeded. Then it did.
      if (position === to.position) return [];
      if (position !== (this.committed?.position ?? null)) throw new LaneLost(lease.lane);
      if (holdAt !== null && holdAt < to.position) throw new LaneHeld(lease.lane, holdAt);
      const stoppedBefore =
        effective.length === 0 ? [] : await stoppedAmong(client, schema, lease.lane, effective);
      const { operations, parked, stopped, newlyParked } = splitBatch(lease.lane, effective, stoppedBefore);
      await applyOperations(client, schema, operations);
      await park(client, schema, parked);
      await stop(client, schema, stopped);
      await moveCheckpoint(client, schema, lease, { to, ...tallyOf(batch), parked: newlyParked });
      await client.query('select pg_notify($1, $2)', [
        `mailfold_${this.options.tier}`,
        this.notice(to, tenantIds),
      ]);
      return [...parked];
    });
  }

  private notice({ position }: Checkpoint, tenantIds: readonly string[]): string {
    const { schema, lease } = this.options;
    const tenants = tenantIds.length > tenantsPerNoticeMax ? null : tenantIds;
    return JSON.stringify({ schema, lane: lease.lane, position: position.toString(), tenants });
  }
}

/** Of the streams, not of the rows: an operation that reaches for another tenant's row is refused by its policy. */
function tenantsOf(events: readonly LaneEvent[]): string[] {
  return [...new Set(events.map(({ sequence }) => sequence.tenantId))];
}

/** Whether the lane has anything to write for it; all others only move the checkpoint. */
function isEffective({ operations, poison, refusal, isHome, changesRows }: BatchEvent): boolean {
  return operations.length > 0 || poison !== null || refusal !== undefined || (isHome && changesRows);
}

/** Of the events that belong to the lane by their own slot and tenant: over all lanes, each event counts once. */
function tallyOf(batch: readonly BatchEvent[]): { events: number; digest: IdDigest } {
  let events = 0;
  let digest = emptyDigest;
  for (const { id, isHome } of batch) {
    if (!isHome) continue;
    events += 1;
    digest = addDigests(digest, digestOf(id));
  }
  return { events, digest };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
