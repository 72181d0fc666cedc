import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import type { MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { BulkLoadOptions } from './contracts';
import { paced, type Pacing } from './pacer';

const threadsMax = 4;
/**
 * Of one thread. What it reads soon dies: a young generation of 8 MB costs a tenth more processor time than one of 24, and one
 * of 48 takes 40 MB more in all without being faster (measured). The bound on the old one makes the collector run in time.
 * Bytes of bodies lie outside of the heap.
 */
const resourceLimits = { maxYoungGenerationSizeMb: 24, maxOldGenerationSizeMb: 256 };

/** What reads the log, and what folds and loads afterwards. */
export interface Parallelism {
  readonly readers: number;
  readonly folders: number;
  /** One task at a time, without a thread. */
  readonly isInProcess: boolean;
}

/** As asked for, or as it is best. */
export function parallelismOf({
  parallelism,
  only,
}: Pick<BulkLoadOptions, 'parallelism' | 'only'>): Parallelism {
  // A part of the log is read sooner than a thread has begun.
  const isInProcess = only !== undefined && parallelism === undefined;
  const byDefault = only === undefined ? threadsByDefault() : 1;
  const { readers = byDefault, folders = byDefault } = parallelism ?? {};
  return { readers, folders, isInProcess };
}

export function threadsByDefault(): number {
  return Math.min(availableParallelism(), threadsMax);
}

/** What takes tasks of one kind, tells of their progress and waits between batches for leave to go on. */
export interface Workers<Task extends object, Result> {
  /** Rejects with what the task throws, and when aborted. */
  run(task: Task): Promise<Result>;
  close(): Promise<void>;
}

export interface ThreadsOptions extends Pacing {
  /** Without its suffix. Worker threads load JavaScript only: under Jest, where this is TypeScript, the built one. */
  readonly file: string;
  readonly threads: number;
  readonly workerData: unknown;
  /** Ends the thread of a task wherever it is. */
  readonly signal: AbortSignal;
}

const root = join(__dirname, '../../..');

export class Threads<Task extends object, Result> implements Workers<Task, Result> {
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

  run(task: Task): Promise<Result> {
    const { signal } = this.options;
    return paced(this.options, (pacer) =>
      this.pool.run({ ...task, pacer }, { transferList: [pacer], signal }),
    );
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
