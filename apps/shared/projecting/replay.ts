import { randomUUID } from 'node:crypto';
import type { Pool } from 'pg';
import type { ProjectionTier } from '../../../projections/tier';
import type { EventStore } from '../event-store/event-store';
import type { MailParser } from '../mail/mail-parser';
import { untilAvailable } from '../postgres/retry';
import { keepLanes } from './keep-lanes';
import { listLanes } from './lane-lease';
import { TierFeeds } from './tier-feeds';

export interface ReplayOptions {
  readonly store: EventStore;
  readonly tier: ProjectionTier;
  /** For tiers that read content. */
  readonly parser: MailParser | null;
  /** Connections of role mailfold_projector to the database of the generation. */
  readonly pool: Pool;
  readonly schema: string;
  /** The position to reach, usually the head of the log when the replay began. */
  readonly until: bigint;
  readonly signal: AbortSignal;
  /** Told of every event read: its position and how many came before it in this run. */
  readonly onProgress?: (progress: { position: bigint; events: number }) => void;
  readonly onTrouble?: (error: unknown) => void;
}

export interface ReplayOutcome {
  /** False: aborted on the way. The next replay goes on from the generation's own checkpoint. */
  readonly isComplete: boolean;
  readonly events: number;
  /** Events that could not be applied. A generation that has more of them than the one that serves must not replace it. */
  readonly parkedEvents: number;
}

const batchSizeMax = 2_000;

/**
 * Fills a generation from the log, by the feeds and the lanes that keep it live afterwards, so that the two cannot
 * differ. Resumable wherever it is killed. It has no part in reactors: nothing is sent, no checkpoint of theirs is touched.
 * Throws LogMismatch when the generation was begun from another log.
 */
export async function replay(options: ReplayOptions): Promise<ReplayOutcome> {
  const { store, tier, parser, pool, schema, until, signal, onTrouble } = options;
  let events = 0;
  let parkedEvents = 0;
  const onEvent = (position: bigint): void => options.onProgress?.({ position, events: ++events });
  const missing = new Set(await untilAvailable(() => listLanes(pool, schema), { signal }));
  const complete = new AbortController();
  await keepLanes({
    ...{ tier: tier.tier, schema, pool, batchSizeMax, isOurs: (lane) => missing.has(lane) },
    owner: `replay/${process.pid}/${randomUUID()}`,
    feeds: new TierFeeds({ store, tier, parser, until, signal, onEvent }),
    signal: AbortSignal.any([signal, complete.signal]),
    onParked: () => (parkedEvents += 1),
    onFed: (lanes) => {
      for (const { lease } of lanes) missing.delete(lease.lane);
      if (missing.size === 0) complete.abort();
    },
    ...(onTrouble ? { onTrouble } : {}),
  });
  return { isComplete: !signal.aborted, events, parkedEvents };
}
