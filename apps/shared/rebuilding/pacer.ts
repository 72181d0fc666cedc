import { once } from 'node:events';
import type { MessagePort } from 'node:worker_threads';
import type { Batch } from './threads';

/** Told of sooner, a thread would spend its time on waking the one that listens. */
const eventsPerBatch = 512;

/**
 * The end of a thread: tells what it has done and waits for leave to go on, one batch ahead of the answer, so that it is
 * not idle while the answer is on its way.
 */
export class Pacer {
  private answer: Promise<unknown> | null = null;
  private events = 0;
  private bytes = 0;

  constructor(private readonly port: MessagePort) {}

  async add({ events, bytes }: Batch): Promise<void> {
    this.events += events;
    this.bytes += bytes;
    if (this.events >= eventsPerBatch) await this.tell();
  }

  /** Tells the rest and waits until everything has been heard. */
  async end(): Promise<void> {
    if (this.events > 0 || this.bytes > 0) await this.tell();
    await this.answer;
  }

  private async tell(): Promise<void> {
    await this.answer;
    this.answer = once(this.port, 'message');
    this.port.postMessage({ events: this.events, bytes: this.bytes } satisfies Batch);
    this.events = this.bytes = 0;
  }
}
