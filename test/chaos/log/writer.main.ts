import { runProcess, strayRejectionCount } from '../../../apps/shared/process/run-process';
import { Random } from '../../../apps/dev/sample-log/random';
import { openChaosStore } from './chaos-store';
import { JsonLines, type Outcome } from './history';
import { Writer } from './writer';

/** A process's one argument, as JSON. */
export interface WriterProcessOptions {
  readonly url: string;
  readonly historyFile: string;
  readonly seed: number;
  readonly writers: number;
  readonly sharedStreams: readonly string[];
  readonly hasty: boolean;
}

/** Sent to the parent a few times a second. */
export interface WriterProgress {
  readonly type: 'progress';
  readonly operations: Readonly<Record<Outcome, number>>;
  /** Rejections that nobody handled. */
  readonly strayRejections: number;
}

const progressIntervalMs = 100;

// One process, one client (event-store.md §2.3), several writers, as the product's processes have them.
runProcess('chaos-writer', async (context) => {
  const options = JSON.parse(process.argv[2] ?? '') as WriterProcessOptions;
  const store = openChaosStore(options.url, options.hasty);
  const history = new JsonLines(options.historyFile);
  const operations: Record<Outcome, number> = { ok: 0, fail: 0, info: 0 };
  const random = new Random(options.seed);
  const writers = Array.from(
    { length: options.writers },
    (_, index) =>
      new Writer(store, random.fork(index), options.sharedStreams, (operation) => {
        operations[operation.outcome]++;
        history.write(operation);
      }),
  );
  const report = (): void => {
    const progress: WriterProgress = {
      type: 'progress',
      operations,
      strayRejections: strayRejectionCount(),
    };
    process.send?.(progress, undefined, undefined, () => undefined);
  };
  const reporting = setInterval(report, progressIntervalMs);
  const running = Promise.all(writers.map((writer) => writer.run()));
  context.onShutdown(async () => {
    for (const writer of writers) writer.stop();
    await running;
    clearInterval(reporting);
    report();
    await history.end();
    await store.close();
  });
});
