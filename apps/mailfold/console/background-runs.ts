import { isFillable, RunRefused } from '../rebuild/run-states';
import type { FillOptions } from '../rebuild/operations/attended-run';
import type { RunOperations } from '../rebuild/operations/run-operations';
import type { RunView } from '../rebuild/operations/run-view';
import type { Logger } from '../../shared/process/log';

type StartOptions = Pick<FillOptions, 'governorP95Ms' | 'withoutShadowReads'>;

/**
 * Fills runs in this process while requests go on. What ends with the process is left stopped, and goes on wherever it is
 * resumed, here or on the command line.
 */
export class BackgroundRuns {
  private readonly stopping = new AbortController();
  private readonly filling = new Map<number, Promise<void>>();

  constructor(
    private readonly operations: RunOperations,
    private readonly log: Logger,
  ) {}

  get signal(): AbortSignal {
    return this.stopping.signal;
  }

  /**
   * Resolves once the run is under way, or finished, or has failed at once: what it refuses is thrown. A run that is filled
   * already, or is being filled here, is left alone.
   */
  async start(run: number, options: StartOptions): Promise<RunView> {
    const before = await this.operations.status(run);
    if (!this.filling.has(run) && isFillable(before.state)) await this.begin(run, options);
    return this.operations.status(run);
  }

  /** Waits until the runs have stopped in order. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.allSettled(this.filling.values());
  }

  private async begin(run: number, options: StartOptions): Promise<void> {
    let refused: unknown;
    const work = this.operations
      .run(run, { ...options, signal: this.signal })
      .then(
        ({ state }) => this.log.info({ run, state }, 'run filled'),
        (error: unknown) => {
          refused = error;
          this.log.warn({ run, err: error }, 'run stopped');
        },
      )
      .finally(() => this.filling.delete(run));
    this.filling.set(run, work);
    await Promise.race([work, this.isUnderWay(run, work)]);
    if (refused instanceof RunRefused) throw refused;
  }

  private async isUnderWay(run: number, work: Promise<void>): Promise<void> {
    for (;;) {
      const { state } = await this.operations.runs.read(run);
      if (state === 'running' || !this.filling.has(run)) return;
      await Promise.race([work, new Promise((done) => setTimeout(done, pollMs))]);
    }
  }
}

const pollMs = 50;
