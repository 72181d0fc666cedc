import { setTimeout as delay } from 'node:timers/promises';
import type { EventStore, LogEvent } from '../shared/event-store/event-store';
import { untilAvailable } from '../shared/postgres/retry';
import type { Logger } from '../shared/process/log';
import type { Checkpoint, Lease, ReactorCheckpoints } from './checkpoints';
import type { Reaction } from './threader';

/** A repeated event costs a few reads and no write, so the checkpoint may lag: at most so many events, or so long. */
const eventsPerSaveMax = 256;
const retryDelayMaxMs = 5_000;

export interface ReactorOptions {
  readonly store: EventStore;
  readonly checkpoints: ReactorCheckpoints;
  readonly react: (event: LogEvent) => Promise<Reaction>;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** How often the lease is renewed and the checkpoint saved while nothing else makes it due. */
  readonly saveIntervalMs: number;
  readonly progress: ReactorProgress;
}

/** What the health page shows. Positions are of the log; `null` until the first event. */
export interface ReactorProgress {
  state: 'waiting for the lease' | 'catching up' | 'live';
  position: bigint | null;
  handled: number;
  parked: number;
}

export function newProgress(): ReactorProgress {
  return { state: 'waiting for the lease', position: null, handled: 0, parked: 0 };
}

/**
 * Answers every event of the log from the durable checkpoint on, in order, until aborted. One owner at a time: others wait
 * for the lease. @throws LeaseLost when another owner took it; LogMismatch when the checkpoint is of another log.
 */
export async function runReactor(options: ReactorOptions): Promise<void> {
  const lease = await acquireLease(options);
  if (!lease) return;
  const run = new ReactorRun(options, lease);
  try {
    await run.follow();
  } finally {
    await run.finish();
  }
}

async function acquireLease({ checkpoints, signal, saveIntervalMs }: ReactorOptions): Promise<Lease | null> {
  while (!signal.aborted) {
    const lease = await untilAvailable(() => checkpoints.acquire(), { signal });
    if (lease) return lease;
    await delay(saveIntervalMs, undefined, { signal }).catch(() => undefined);
  }
  return null;
}

class ReactorRun {
  private reached: Checkpoint | null;
  private unsaved = 0;
  private lostLease: Error | null = null;
  /** Saves follow each other: two at once could put the checkpoint back. */
  private saving: Promise<void> = Promise.resolve();
  private readonly stopped = new AbortController();

  constructor(
    private readonly options: ReactorOptions,
    private readonly lease: Lease,
  ) {
    this.reached = lease.checkpoint;
    options.progress.state = 'catching up';
    options.progress.position = this.reached?.position ?? null;
  }

  async follow(): Promise<void> {
    const { store, progress, saveIntervalMs } = this.options;
    const signal = AbortSignal.any([this.options.signal, this.stopped.signal]);
    const timer = setInterval(
      () => void this.save().catch((error: unknown) => this.lose(error)),
      saveIntervalMs,
    );
    try {
      for await (const message of store.subscribe({ after: this.reached, withContent: false, signal })) {
        if (message.kind === 'event') await this.answer(message.event, signal);
        if (message.kind === 'caught-up') progress.state = 'live';
        if (signal.aborted) break;
      }
    } finally {
      clearInterval(timer);
    }
    if (this.lostLease !== null) throw this.lostLease;
  }

  async finish(): Promise<void> {
    if (this.lostLease !== null) return;
    await this.save().catch(() => undefined);
    await this.options.checkpoints.release(this.lease).catch(() => undefined);
  }

  private async answer(event: LogEvent, signal: AbortSignal): Promise<void> {
    const reaction = await this.reactionTo(event, signal);
    // Stopped in the middle: the checkpoint stays before this event, and the next owner answers it.
    if (reaction.outcome === 'retry') return;
    const { checkpoints, progress, log } = this.options;
    if (reaction.outcome === 'parked') {
      const { reason } = reaction;
      const { streamName, type: eventType, position, id: eventId } = event;
      log.error({ streamName, eventType, position, eventId, reason }, 'event parked');
      await this.save();
      await untilAvailable(() => checkpoints.park(this.lease, event, reason), { signal });
      progress.parked += 1;
    }
    this.reached = { position: event.position, eventId: event.id };
    progress.position = event.position;
    progress.handled += 1;
    this.unsaved += 1;
    if (this.unsaved >= eventsPerSaveMax) await this.save();
  }

  /** Waits out an outage: what comes after may depend on nothing, but skipping is not ours to decide. */
  private async reactionTo(event: LogEvent, signal: AbortSignal): Promise<Reaction> {
    for (let attempt = 0; ; attempt++) {
      const reaction = await this.options.react(event);
      if (reaction.outcome !== 'retry' || signal.aborted) return reaction;
      const { id: eventId, position } = event;
      this.options.log.warn(
        { err: reaction.error, eventId, position },
        'event not answered yet, trying again',
      );
      const delayMs = Math.random() * Math.min(retryDelayMaxMs, 100 * 2 ** attempt);
      await delay(delayMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private save(): Promise<void> {
    const { checkpoints, signal } = this.options;
    this.saving = this.saving.then(async () => {
      this.unsaved = 0;
      const { reached } = this;
      await untilAvailable(() => checkpoints.save(this.lease, reached), { signal });
    });
    return this.saving;
  }

  private lose(error: unknown): void {
    this.lostLease ??= error instanceof Error ? error : new Error(String(error));
    this.stopped.abort();
  }
}
