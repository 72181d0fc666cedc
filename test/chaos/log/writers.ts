import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startProcess, type TestProcess } from '../../support/processes';
import type { Random } from '../../../apps/dev/sample-log/random';
import { readJsonLines, type Operation, type Outcome } from './history';
import { newStream } from './writer';
import type { WriterProcessOptions, WriterProgress } from './writer.main';

const processCount = 4;
const writersPerProcess = 2;
const sharedStreamCount = 4;
const pollIntervalMs = 20;

/** Eight writers in four processes; every other process gives up early on a try. */
export class Writers {
  private readonly progress: Omit<WriterProgress, 'type'>[];
  private stopping = false;
  /** One line per process that ended before it was told to. */
  readonly unaskedEnds: string[] = [];

  private constructor(
    private readonly processes: readonly TestProcess[],
    private readonly historyFiles: readonly string[],
  ) {
    this.progress = processes.map(() => ({ operations: { ok: 0, fail: 0, info: 0 }, strayRejections: 0 }));
    for (const [index, process] of processes.entries()) {
      process.onMessage((message) => (this.progress[index] = message as WriterProgress));
      void process.exited.then((code) => {
        if (!this.stopping)
          this.unaskedEnds.push(`a writing process ended with ${code}:\n${process.output()}`);
      });
    }
  }

  /** `name` makes the files of their histories, below `folder`, unlike those of others. */
  static async start(url: string, random: Random, folder: string, name: string): Promise<Writers> {
    const sharedStreams = Array.from({ length: sharedStreamCount }, newStream);
    const files = Array.from({ length: processCount }, (_, index) =>
      join(folder, `history-${name}-${index}.ndjson`),
    );
    const starting = files.map((historyFile, index) => {
      const seed = random.fork(index).seed;
      const hasty = index % 2 === 1;
      const options: WriterProcessOptions = {
        ...{ url, historyFile, seed, writers: writersPerProcess, sharedStreams, hasty },
      };
      return startProcess('test/chaos/log/writer.main.js', {
        args: [JSON.stringify(options)],
        // A node that is away at times is what they are here for.
        env: { LOG_LEVEL: 'fatal' },
        ownGroup: true,
      });
    });
    const started = await Promise.allSettled(starting);
    const processes = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    const failure = started.find((each) => each.status === 'rejected');
    if (failure) {
      await Promise.all(processes.map((process) => process.stop()));
      throw failure.reason;
    }
    return new Writers(processes, files);
  }

  /** So far, in all processes. */
  count(outcome: Outcome): number {
    return this.progress.reduce((sum, { operations }) => sum + operations[outcome], 0);
  }

  /** Rejections that nobody handled, so far, in all processes. */
  get strayRejections(): number {
    return this.progress.reduce((sum, each) => sum + each.strayRejections, 0);
  }

  /**
   * Resolves with the milliseconds it took until each process had an acknowledgement that was not there before; null when
   * that takes longer than `timeoutMs`, or a process is gone.
   */
  async acknowledgedAgain(timeoutMs: number): Promise<number | null> {
    const began = Date.now();
    const acknowledged = (): number[] => this.progress.map(({ operations }) => operations.ok);
    const before = acknowledged();
    while (!acknowledged().every((ok, index) => ok > (before[index] ?? 0))) {
      if (Date.now() - began > timeoutMs || this.unaskedEnds.length > 0) return null;
      await delay(pollIntervalMs);
    }
    return Date.now() - began;
  }

  /** Without waiting for anything, where a run has failed. Does nothing after {@link stop}. */
  kill(): void {
    this.stopping = true;
    for (const process of this.processes) process.kill('SIGKILL');
  }

  /** Each finishes the try in hand. Resolves with the history of all. */
  async stop(): Promise<Operation[]> {
    this.stopping = true;
    const codes = await Promise.all(this.processes.map((process) => process.stop()));
    const failed = codes.findIndex((code) => code !== 0);
    if (failed >= 0)
      throw new Error(`a writing process did not end in order:\n${this.processes[failed]?.output()}`);
    const operations: Operation[] = [];
    for (const file of this.historyFiles)
      for await (const operation of readJsonLines<Operation>(file)) operations.push(operation);
    return operations;
  }
}
