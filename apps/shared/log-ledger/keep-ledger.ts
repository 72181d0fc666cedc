import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'pg';
import { LogMismatch, type EventStore } from '../event-store/event-store';
import { untilAvailable } from '../postgres/retry';
import { countedEvent, type CountedEvent } from './census';
import {
  releaseLedger,
  renewLedger,
  takeLedger,
  writeLedger,
  type Checkpoint,
  type LedgerLease,
} from './ledger-writer';
import { extendLedger, type Segment } from './segment';

export interface LedgerToKeep {
  readonly store: EventStore;
  /** Connections to the control database. */
  readonly pool: Pool;
  /** Names this process in the lease. */
  readonly owner: string;
  readonly signal: AbortSignal;
  /** Told of everything that interrupts the work; it goes on by itself, except after {@link LogMismatch}. */
  readonly onTrouble?: (error: unknown) => void;
}

const standbyIntervalMs = 250;
const writeIntervalMs = 1_000;
/** What a slow database may leave in memory, of some 150 bytes each, before the log is read no further. */
const unwrittenEventsMax = 100_000;

/**
 * Keeps the ledger at the end of the log until aborted. It reads the log by a subscription of its own, without the filters
 * and the decoding of the tiers, so that it can prove that those skipped nothing. One process writes at a time; others
 * stand by. Throws {@link LogMismatch} alone, since nothing this process does can cure it.
 */
export async function keepLedger(options: LedgerToKeep): Promise<void> {
  const { pool, owner, signal, onTrouble } = options;
  while (!signal.aborted) {
    try {
      const lease = await untilAvailable(() => takeLedger(pool, owner), { signal });
      if (lease !== null) await new LedgerRun(options, lease).follow();
    } catch (error) {
      if (signal.aborted) return;
      onTrouble?.(error);
      if (error instanceof LogMismatch) throw error;
    }
    await delay(standbyIntervalMs, undefined, { signal }).catch(() => undefined);
  }
}

/** The work under one lease. Whatever goes wrong ends it: the next one begins at what is written. */
class LedgerRun {
  private readonly stop = new AbortController();
  private unwritten: CountedEvent[] = [];
  private open: Segment | null;
  private written: Checkpoint | null;
  private failure: { readonly error: unknown } | null = null;
  /** Writes follow each other: each begins where the last one ended. */
  private writing: Promise<void> = Promise.resolve();

  constructor(
    private readonly options: LedgerToKeep,
    private readonly lease: LedgerLease,
  ) {
    this.open = lease.open;
    this.written = lease.checkpoint;
  }

  async follow(): Promise<void> {
    const { store, pool } = this.options;
    const signal = AbortSignal.any([this.options.signal, this.stop.signal]);
    const timer = setInterval(() => void this.write(), writeIntervalMs);
    try {
      for await (const message of store.subscribeRecords({ after: this.written, signal })) {
        if (message.kind === 'record') this.unwritten.push(countedEvent(message.record));
        if (message.kind === 'caught-up' || this.unwritten.length >= unwrittenEventsMax) await this.write();
        if (signal.aborted) break;
      }
    } finally {
      clearInterval(timer);
      await this.write();
      await releaseLedger(pool, this.lease).catch(() => undefined);
    }
    if (this.failure !== null) throw this.failure.error;
  }

  /** Writes what was read so far, or renews the lease when there is nothing. Never throws: the failure ends the run. */
  private write(): Promise<void> {
    this.writing = this.writing.then(async () => {
      if (this.failure !== null) return;
      try {
        await this.writeUnwritten();
      } catch (error) {
        this.failure = { error };
        this.stop.abort();
      }
    });
    return this.writing;
  }

  private async writeUnwritten(): Promise<void> {
    const { pool } = this.options;
    const events = this.unwritten;
    const last = events.at(-1);
    if (last === undefined) return renewLedger(pool, this.lease);
    this.unwritten = [];
    const segments = extendLedger(this.open, events);
    const to = { position: last.position, eventId: last.id };
    await writeLedger(pool, this.lease, { segments, from: this.written, to });
    this.open = segments.at(-1) ?? null;
    this.written = to;
  }
}
