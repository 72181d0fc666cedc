import { CallTimedOut } from './call-errors';
import type { ReadMessage } from './read-protocol';

/** Twice this, and the time of one call, is how long a subscription can be silent unnoticed. */
const checkIntervalMs = 2_500;

export interface DeliveryWatchOptions {
  /** Of the last record that the subscription is to deliver. */
  readonly lastPosition: () => Promise<bigint | null>;
  readonly onSilence: (error: unknown) => void;
}

/**
 * A subscription without news looks like one that is broken: the socket is open, nothing comes. So whenever it has been
 * quiet for a while, the last record of the log is compared with the last that was delivered; if the same one is missing
 * twice in a row, or the question is not answered, the subscription is given up.
 */
export class DeliveryWatch {
  private readonly timer: NodeJS.Timeout;
  private isWaiting = true;
  private isAsking = false;
  private isSuspected = false;
  private quietSince = Date.now();

  constructor(
    private reached: bigint | null,
    private readonly options: DeliveryWatchOptions,
  ) {
    this.timer = setInterval(() => void this.check(), checkIntervalMs);
  }

  /** The server has sent these. Until {@link wait}, it is the consumer who takes its time. */
  delivered(messages: readonly ReadMessage[]): void {
    this.isWaiting = false;
    this.isSuspected = false;
    for (const message of messages) {
      if (message.kind === 'record') this.reached = message.record.position;
      else if (message.kind === 'checkpoint') this.reached = message.position;
    }
  }

  wait(): void {
    this.isWaiting = true;
    this.quietSince = Date.now();
  }

  stop(): void {
    clearInterval(this.timer);
    this.isWaiting = false;
  }

  private async check(): Promise<void> {
    if (this.isAsking || !this.isQuiet()) return;
    this.isAsking = true;
    try {
      const last = await this.options.lastPosition();
      if (!this.isQuiet()) return;
      const isMissing = last !== null && (this.reached === null || last > this.reached);
      if (isMissing && this.isSuspected) this.options.onSilence(new CallTimedOut(2 * checkIntervalMs));
      this.isSuspected = isMissing;
    } catch (error) {
      if (this.isQuiet()) this.options.onSilence(error);
    } finally {
      this.isAsking = false;
    }
  }

  private isQuiet(): boolean {
    return this.isWaiting && Date.now() - this.quietSince >= checkIntervalMs / 2;
  }
}
