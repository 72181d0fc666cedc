import type { Lane } from './lane';
import { LaneFeed, type LaneFeedOptions } from './lane-feed';

export interface TierFeedsOptions extends Pick<LaneFeedOptions, 'store' | 'tier' | 'parser' | 'signal'> {
  readonly onEvent?: (position: bigint) => void;
  readonly onCaughtUp?: () => void;
  /** Ends each feed there; see {@link LaneFeedOptions.until}. */
  readonly until?: bigint;
}

export type FeedEnd = (lanes: readonly Lane[], error?: unknown) => void;

/** Where a target's lanes get their events from. */
export interface Feeds {
  /** `onEnd` is told of lanes that are fed no longer: with the error that ended it or, at `until`, without one. */
  add(lanes: readonly Lane[], onEnd: FeedEnd): void;
  remove(lane: Lane): void;
}

/**
 * Feeds the lanes of one tier in this process, of all its generations and targets. Lanes that join begin with a
 * subscription of their own, from their own checkpoint; once that is at the end of the log, and they have written what they
 * were handed on the way, it is one with the others. So a tier that is at the end is read and folded once, however many generations are kept, and a lane that is far behind, or
 * whose database does not answer, holds up no other.
 */
export class TierFeeds implements Feeds {
  private readonly feeds = new Set<LaneFeed>();
  /** Those at the end of the log whose lanes have room: only they may be one, or full lanes would hold up the others. */
  private readonly live = new Set<LaneFeed>();
  private readonly onEnds = new Map<Lane, FeedEnd>();

  constructor(private readonly options: TierFeedsOptions) {}

  add(lanes: readonly Lane[], onEnd: FeedEnd): void {
    for (const lane of lanes) this.onEnds.set(lane, onEnd);
    this.start(lanes);
  }

  remove(lane: Lane): void {
    this.onEnds.delete(lane);
    for (const feed of this.feeds) feed.remove(lane);
  }

  private start(lanes: readonly Lane[]): void {
    const feed: LaneFeed = new LaneFeed(
      {
        ...this.options,
        onCaughtUp: () => void this.join(feed),
        onStalled: (stalled) => {
          for (const lane of stalled) void this.restart(lane);
        },
      },
      lanes,
    );
    this.feeds.add(feed);
    feed.run().then(
      () => this.ended(feed),
      (error: unknown) => this.ended(feed, error),
    );
  }

  /** The one that is behind goes on for both. */
  private async join(feed: LaneFeed): Promise<void> {
    this.options.onCaughtUp?.();
    if (this.options.until !== undefined) return;
    // A lane that has stopped meanwhile has left its feed, or will.
    await Promise.allSettled(feed.members.map((lane) => lane.settled()));
    if (!this.feeds.has(feed)) return;
    const [other] = [...this.live].filter((known) => known !== feed);
    this.live.add(feed);
    if (other === undefined) return;
    const [first, second] = feed.isBehind(other) ? [feed, other] : [other, feed];
    // It ends a little later; nobody may give it lanes in between.
    this.live.delete(second);
    first.adopt(second);
  }

  private async restart(lane: Lane): Promise<void> {
    await lane.room();
    if (this.onEnds.has(lane) && !lane.isStopped) this.start([lane]);
  }

  private ended(feed: LaneFeed, error?: unknown): void {
    this.feeds.delete(feed);
    this.live.delete(feed);
    for (const onEnd of new Set(feed.members.map((lane) => this.onEnds.get(lane)))) {
      const its = feed.members.filter((lane) => this.onEnds.get(lane) === onEnd);
      for (const lane of its) this.onEnds.delete(lane);
      onEnd?.(its, error);
    }
  }
}
