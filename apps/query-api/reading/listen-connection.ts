import { setTimeout as delay } from 'node:timers/promises';
import type { Pool, PoolClient } from 'pg';
import type { Logger } from '../../shared/process/log';

const heartbeatIntervalMs = 5_000;
const reconnectDelayMinMs = 100;
const reconnectDelayMaxMs = 2_000;

export interface ListenHandlers {
  /**
   * Reads what notifications would have told, over the very connection that listens: at once after LISTEN, every 5 s
   * from then on, which also finds out that a connection is dead although nobody said so, and when it is asked for.
   */
  catchUp(client: PoolClient, reason: 'connected' | 'heartbeat'): Promise<void>;
  notified(payload: string, channel: string): void;
}

/**
 * Keeps one LISTEN alive for as long as the process lives. While {@link up} is false notifications may be lost, so nothing
 * remembered by them may be trusted.
 */
export class ListenConnection {
  private listening = false;
  private readonly closing = new AbortController();
  private hurry = new AbortController();
  private running: Promise<void> = Promise.resolve();

  constructor(
    private readonly pool: Pool,
    private readonly channels: readonly string[],
    private readonly handlers: ListenHandlers,
    private readonly log: Logger,
  ) {}

  get up(): boolean {
    return this.listening;
  }

  start(): void {
    this.running = this.listenForEver();
  }

  async close(): Promise<void> {
    this.closing.abort();
    await this.running;
  }

  /** Has `catchUp` run now instead of with the next heartbeat. */
  catchUpSoon(): void {
    this.hurry.abort();
  }

  private async listenForEver(): Promise<void> {
    let delayMs = reconnectDelayMinMs;
    while (!this.closing.signal.aborted) {
      const wasUp = await this.listenOnce();
      delayMs = wasUp ? reconnectDelayMinMs : Math.min(delayMs * 2, reconnectDelayMaxMs);
      await delay(delayMs, undefined, { signal: this.closing.signal }).catch(() => undefined);
    }
  }

  /** Ends with the connection; resolves to whether it ever listened. */
  private async listenOnce(): Promise<boolean> {
    let wasUp = false;
    let client: PoolClient | undefined;
    try {
      client = await this.pool.connect();
      const lost = endOf(client);
      client.on('notification', ({ payload, channel }) => this.handlers.notified(payload ?? '', channel));
      for (const channel of this.channels) await client.query(`listen ${channel}`);
      await this.handlers.catchUp(client, 'connected');
      this.listening = wasUp = true;
      while (!this.closing.signal.aborted) {
        await Promise.race([lost, this.heartbeat()]);
        await this.handlers.catchUp(client, 'heartbeat');
      }
    } catch (error) {
      if (!this.closing.signal.aborted) {
        this.log.warn({ err: error, kind: this.channels[0] }, 'not listening');
      }
    } finally {
      this.listening = false;
      // Destroyed, since a session that listens must never serve a read.
      client?.release(true);
    }
    return wasUp;
  }

  /** Rejects when this is closed. */
  private async heartbeat(): Promise<void> {
    const signal = AbortSignal.any([this.closing.signal, this.hurry.signal]);
    await delay(heartbeatIntervalMs, undefined, { signal }).catch(() => undefined);
    this.closing.signal.throwIfAborted();
    this.hurry = new AbortController();
  }
}

function endOf(client: PoolClient): Promise<never> {
  const lost = new Promise<never>((_, reject) => {
    client.once('error', reject);
    client.once('end', () => reject(new Error('The connection ended')));
  });
  // Nobody may be waiting at the moment it ends.
  lost.catch(() => undefined);
  return lost;
}
