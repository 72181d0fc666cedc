import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { BulkLoadOptions } from './contracts';

const threadsMax = 4;
/**
 * Of one thread. What it reads soon dies: a small young generation keeps it from lying about, and the bound on the old one
 * makes the collector run in time. Bytes of bodies lie outside of the heap.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 256 };

/** What reads the log, and what folds and loads afterwards, as asked for or as it is best. */
export function threadsOf({ parallelism, only }: Pick<BulkLoadOptions, 'parallelism' | 'only'>): {
  readonly readers: number;
  readonly folders: number;
} {
  // A part of the log is read sooner than a second thread has begun.
  const byDefault = only === undefined ? threadsByDefault() : 1;
  return { readers: parallelism?.readers ?? byDefault, folders: parallelism?.folders ?? byDefault };
}

export function threadsByDefault(): number {
  return Math.min(availableParallelism(), threadsMax);
}

/** What a thread has done since it last said so. */
export interface Batch {
  readonly events: number;
  readonly bytes: number;
}

export interface ThreadsOptions {
  /** Without its suffix. Worker threads load JavaScript only: under Jest, where this is TypeScript, the built one. */
  readonly file: string;
  readonly threads: number;
  readonly workerData: unknown;
  readonly signal: AbortSignal;
  readonly onBatch: (batch: Batch) => void;
  readonly pace?: () => Promise<void>;
}

const root = join(__dirname, '../../..');

/** Threads that take tasks of one kind, tell of their progress and wait between batches for leave to go on. */
export class Threads<Task extends object, Result> {
  private readonly pool: Piscina<Task & { pacer: MessagePort }, Result>;

  constructor(private readonly options: ThreadsOptions) {
    const { file, threads, workerData } = options;
    const script = __filename.endsWith('.ts') ? join(root, 'dist', relative(root, file)) : file;
    this.pool = new Piscina({
      filename: `${script}.js`,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      resourceLimits,
      workerData,
    });
  }

  /** Rejects with what the task throws, and when aborted: the thread is then ended wherever it is. */
  async run(task: Task): Promise<Result> {
    const { port1, port2: pacer } = new MessageChannel();
    const { onBatch, pace, signal } = this.options;
    port1.on('message', (batch: Batch) => {
      onBatch(batch);
      // A failed pause ends with the run's own signal; the thread need not wait for it.
      void (pace?.() ?? Promise.resolve()).catch(() => undefined).then(() => port1.postMessage(null));
    });
    try {
      return await this.pool.run({ ...task, pacer }, { transferList: [pacer], signal });
    } finally {
      port1.close();
    }
  }

  async close(): Promise<void> {
    await this.pool.destroy();
  }
}

/**
 * Runs the tasks in their order, so many at a time. The first failure, or `false` from a task, keeps further ones from being
 * begun; all that are under way are awaited.
 */
export async function inOrder<Task>(
  tasks: readonly Task[],
  atATime: number,
  run: (task: Task) => Promise<boolean>,
): Promise<void> {
  let next = 0;
  let goesOn = true;
  const take = async (): Promise<void> => {
    while (goesOn && next < tasks.length) {
      try {
        if (!(await run(tasks[next++]!))) goesOn = false;
      } catch (error) {
        goesOn = false;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(Array.from({ length: atATime }, take));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
