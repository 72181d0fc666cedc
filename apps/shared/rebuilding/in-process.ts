import type { MessagePort } from 'node:worker_threads';
import { paced, type Pacing } from './pacer';
import type { Workers } from './threads';

/**
 * Tasks in this process itself, for what takes less than to start a thread. Whoever else is at work here waits for a batch at
 * most. The work heeds the signal by itself.
 */
export class InProcess<Task extends object, Result> implements Workers<Task, Result> {
  constructor(
    private readonly work: (task: Task & { pacer: MessagePort }) => Promise<Result>,
    private readonly pacing: Pacing,
  ) {}

  run(task: Task): Promise<Result> {
    return paced(this.pacing, (pacer) => this.work({ ...task, pacer }));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
