import type { ProjectionTier } from '../../../projections/tier';
import type { EventStore, LogEvent } from '../event-store/event-store';
import type { Coverage } from '../generations/coverage';
import type { MailParser } from '../mail/mail-parser';
import { ContentReader } from './content-reader';
import { foldEvent, partFor, type ReadableEvent } from './fold-event';
import type { Lane } from './lane';
import type { Checkpoint } from './lane-event';

export interface ReadLane {
  readonly coverage: Coverage;
  readonly lane: Lane;
}

export interface ReaderOptions {
  readonly store: EventStore;
  readonly tier: ProjectionTier;
  /** For tiers that read content. */
  readonly parser: MailParser | null;
  readonly lanes: readonly ReadLane[];
  readonly signal: AbortSignal;
  /** Told of each event once all lanes have room for the next one. */
  readonly onEvent?: (position: bigint) => void;
  readonly onCaughtUp?: () => void;
  /** Stops before the first event behind this position; without it the reader follows the log until aborted. */
  readonly until?: bigint;
}

/**
 * One subscription feeds all lanes of a generation, from the lowest of their checkpoints: each lane ignores what it has
 * already committed, so nothing is lost between them. Offers wait while a lane is full, and with them the subscription.
 * Throws what stops a lane, and LogMismatch when the checkpoint is not of this log.
 */
export async function readIntoLanes(options: ReaderOptions): Promise<void> {
  const { store, tier, lanes, signal, until } = options;
  const content = contentReaderFor(options);
  const subscription = store.subscribe({
    after: lowest(lanes.map(({ lane }) => lane.checkpoint)),
    withContent: tier.withContent,
    signal,
  });
  for await (const message of subscription) {
    if (message.kind === 'caught-up') {
      options.onCaughtUp?.();
      // At the end of the log nothing of this tier is left before the wanted position.
      if (until !== undefined) break;
    }
    if (message.kind !== 'event') continue;
    if (until !== undefined && message.event.position > until) break;
    await offer(options, await joined(content, message.event));
    options.onEvent?.(message.event.position);
    if (message.event.position === until) break;
  }
  await Promise.all(lanes.map(({ lane }) => lane.settled()));
}

async function offer({ tier, lanes }: ReaderOptions, event: ReadableEvent | null): Promise<void> {
  const folded = event === null ? null : foldEvent(tier, event);
  if (folded === null) return;
  await Promise.all(lanes.map(({ coverage, lane }) => lane.offer(partFor(coverage, folded))));
}

function contentReaderFor({ store, tier, parser }: ReaderOptions): ContentReader | null {
  if (!tier.withContent) return null;
  if (parser === null) throw new Error(`Tier ${tier.tier} reads content and needs a mail parser`);
  return new ContentReader(store, parser);
}

async function joined(content: ContentReader | null, event: LogEvent): Promise<ReadableEvent | null> {
  return content === null ? event : content.join(event);
}

/** Null, the start of the log, if any lane stands there. */
function lowest(checkpoints: readonly (Checkpoint | null)[]): Checkpoint | null {
  return checkpoints.reduce<Checkpoint | null>((low, checkpoint, index) => {
    if (index === 0 || low === null || checkpoint === null) return index === 0 ? checkpoint : null;
    return checkpoint.position < low.position ? checkpoint : low;
  }, null);
}
