import { setTimeout as delay } from 'node:timers/promises';
import type { ProjectionTier } from '../../../projections/tier';
import type { EventStore, LogEvent } from '../event-store/event-store';
import type { MailParser } from '../mail/mail-parser';
import { ContentReader } from './content-reader';
import { foldEvent, partFor, type ReadableEvent } from './fold-event';
import type { Lane } from './lane';
import type { Checkpoint, LaneEvent } from './lane-event';

export interface LaneFeedOptions {
  readonly store: EventStore;
  readonly tier: ProjectionTier;
  /** For tiers that read content. */
  readonly parser: MailParser | null;
  readonly signal: AbortSignal;
  /** Told of each event once the lanes have room for the next one. */
  readonly onEvent?: (position: bigint) => void;
  readonly onCaughtUp?: () => void;
  /** Told of lanes that have long been full while others have room: they are out of the feed from then on. */
  readonly onStalled?: (lanes: readonly Lane[]) => void;
  /** Stops before the first event behind this position; without it the feed follows the log. */
  readonly until?: bigint;
}

/** A lane whose database does not answer must not hold up those of others for longer. */
const stallTimeoutMs = 1_000;

/**
 * One subscription that feeds lanes of one tier, of whatever generations and targets, from the lowest of them on: each
 * ignores what it has had already, so nothing is lost between them. Each event is folded once for all of them. Reading
 * waits while a lane is full.
 */
export class LaneFeed {
  private readonly lanes: Set<Lane>;
  private readonly content: ContentReader | null;
  private readonly stop = new AbortController();
  private offered: Checkpoint | null;

  constructor(
    private readonly options: LaneFeedOptions,
    lanes: readonly Lane[],
  ) {
    const { store, tier, parser } = options;
    if (tier.withContent && parser === null)
      throw new Error(`Tier ${tier.tier} reads content and needs a mail parser`);
    this.content = tier.withContent && parser !== null ? new ContentReader(store, parser) : null;
    this.lanes = new Set(lanes);
    this.offered = lowest(lanes.map(({ lastOffered }) => lastOffered));
  }

  get members(): readonly Lane[] {
    return [...this.lanes];
  }

  /** All lanes have been handed everything up to here. */
  isBehind(other: LaneFeed): boolean {
    return (
      this.offered === null || (other.offered !== null && this.offered.position < other.offered.position)
    );
  }

  /**
   * Takes over the lanes of a feed that has come as far or further, which ends. Safe at any moment: what those lanes have
   * had already they ignore.
   */
  adopt(other: LaneFeed): void {
    for (const lane of other.lanes) this.lanes.add(lane);
    other.lanes.clear();
    other.stop.abort();
  }

  /** Ends with its last lane. */
  remove(lane: Lane): void {
    this.lanes.delete(lane);
    if (this.lanes.size === 0) this.stop.abort();
  }

  /**
   * Resolves when there is no lane left, on abort, or when `until` is reached and committed. Throws LogMismatch when the
   * lowest checkpoint is not of this log, and what else ends the subscription.
   */
  async run(): Promise<void> {
    const { store, tier, until } = this.options;
    const subscription = store.subscribe({
      after: this.offered,
      withContent: tier.withContent,
      signal: AbortSignal.any([this.options.signal, this.stop.signal]),
    });
    for await (const message of subscription) {
      if (this.lanes.size === 0) return;
      if (message.kind === 'caught-up') {
        this.options.onCaughtUp?.();
        // At the end of the log nothing of this tier is left before the wanted position.
        if (until !== undefined) break;
      }
      if (message.kind !== 'event') continue;
      if (until !== undefined && message.event.position > until) break;
      await this.hand(await this.joined(message.event));
      this.options.onEvent?.(message.event.position);
      if (message.event.position === until) break;
    }
    await Promise.all(this.members.map((lane) => lane.settled()));
  }

  private async joined(event: LogEvent): Promise<ReadableEvent | null> {
    return this.content === null ? event : this.content.join(event);
  }

  private async hand(event: ReadableEvent | null): Promise<void> {
    const folded = event === null ? null : foldEvent(this.options.tier, event);
    if (folded === null) return;
    const full = this.offer(folded);
    if (full.length > 0) await this.untilRoom(full);
  }

  /** At one stroke, so that whoever looks at the feed finds all its lanes at one event. Returns the lanes that are full. */
  private offer(event: LaneEvent): Lane[] {
    this.offered = { position: event.position, eventId: event.id };
    const full: Lane[] = [];
    for (const lane of this.lanes) if (!lane.accept(partFor(lane.lease.coverage, event))) full.push(lane);
    return full;
  }

  private async untilRoom(full: readonly Lane[]): Promise<void> {
    let waiting = full;
    while (waiting.length > 0) {
      const timeout = new AbortController();
      await Promise.race([
        Promise.all(waiting.map((lane) => lane.room())),
        delay(stallTimeoutMs, undefined, { signal: timeout.signal }).catch(() => undefined),
      ]);
      timeout.abort();
      waiting = waiting.filter((lane) => lane.isFull && this.lanes.has(lane));
      if (waiting.length === 0 || waiting.length === this.lanes.size) continue;
      for (const lane of waiting) this.lanes.delete(lane);
      this.options.onStalled?.(waiting);
      return;
    }
  }
}

/** Null, the start of the log, if any stands there. */
function lowest(checkpoints: readonly (Checkpoint | null)[]): Checkpoint | null {
  return checkpoints.reduce<Checkpoint | null>((low, checkpoint, index) => {
    if (index === 0 || low === null || checkpoint === null) return index === 0 ? checkpoint : null;
    return checkpoint.position < low.position ? checkpoint : low;
  }, null);
}
