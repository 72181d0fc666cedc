import { once } from 'node:events';
import { MessageChannel, type MessagePort } from 'node:worker_threads';

/** What a task has done since it last said so. */
export interface Batch {
  readonly events: number;
  readonly bytes: number;
}

export interface Pacing {
  readonly onBatch: (batch: Batch) => void;
  /** Awaited between batches. */
  readonly pace?: () => Promise<void>;
}

/** Runs a task and answers its {@link Pacer}, whose port it is given. */
export async function paced<Result>(
  { onBatch, pace }: Pacing,
  run: (pacer: MessagePort) => Promise<Result>,
): Promise<Result> {
  const { port1, port2: pacer } = new MessageChannel();
  port1.on('message', (batch: Batch) => {
    onBatch(batch);
    // A failed pause ends with the run's own signal; the task need not wait for it.
    void (pace?.() ?? Promise.resolve()).catch(() => undefined).then(() => port1.postMessage(null));
  });
  try {
    return await run(pacer);
  } finally {
    port1.close();
  }
}

/** Told of sooner, a thread would spend its time on waking the one that listens. */
const eventsPerBatch = 512;

/**
 * The end of a task: tells what it has done and waits for leave to go on, one batch ahead of the answer, so that its thread
 * is not idle while the answer is on its way.
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
