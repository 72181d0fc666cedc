import type { Pool } from 'pg';
import { LogMismatch, type EventStore } from '../shared/event-store/event-store';
import { keepLedger } from '../shared/log-ledger/keep-ledger';
import type { Logger } from '../shared/process/log';

export interface LedgerKeeperOptions {
  readonly store: EventStore;
  readonly controlPool: Pool;
  readonly owner: string;
  readonly log: Logger;
}

/** Keeps the log ledger beside the generations, by a subscription of its own; see {@link keepLedger}. */
export class LedgerKeeper {
  private readonly stop = new AbortController();
  private keeping: Promise<void> = Promise.resolve();
  private stopReason: string | null = null;

  constructor(private readonly options: LedgerKeeperOptions) {}

  start(): void {
    const { store, controlPool: pool, owner, log } = this.options;
    this.keeping = keepLedger({
      ...{ store, pool, owner, signal: this.stop.signal },
      onTrouble: (error) => {
        if (!(error instanceof LogMismatch))
          log.warn({ err: error }, 'the log ledger was interrupted; trying again');
      },
    }).catch((error: unknown) => {
      this.stopReason = error instanceof Error ? error.message : String(error);
      log.fatal({ err: error }, 'the log ledger has stopped for good');
    });
  }

  /** Writes what was read and gives up the lease. */
  async close(): Promise<void> {
    this.stop.abort();
    await this.keeping;
  }

  /** Set when the log is not the one that the ledger is of: it stays as it is until somebody has looked. */
  get stoppedBy(): string | null {
    return this.stopReason;
  }
}
