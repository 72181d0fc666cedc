import { startHelper, type Helper } from '../harness/helper-process';
import type { ClosedLoopResult, Window } from '../harness/pace';
import type { ObservedProcess, RowContext } from '../harness/row';
import { appendLoadFile, type AppendLoad, type StoreToLoad } from './append-load';
import { violationsOfAll } from './acknowledgements';
import type { WorkloadOptions } from './workload';

/**
 * A process has one core, and the official client alone fills it before our node and PostgreSQL fill the other. Two, for both
 * sides of a row alike, as an API in production has several.
 */
const processesMax = 2;

export interface FleetRun extends Window {
  /** Of all processes together. */
  readonly inFlight: number;
  readonly workload: Omit<WorkloadOptions, 'part'>;
}

/** The load generators of one side: several processes that share the operations in flight, each with streams of its own. */
export class AppendFleet {
  private readonly loads: readonly Helper<AppendLoad>[];

  /** `inFlight` bounds how many processes there are: one operation needs one. */
  constructor(
    context: RowContext,
    private readonly inFlight: number,
  ) {
    this.loads = Array.from({ length: Math.min(processesMax, inFlight) }, () => {
      const load = startHelper<AppendLoad>(appendLoadFile, context.signal);
      context.onClose(() => load.stop());
      return load;
    });
  }

  /** One after the other: the first makes what the store needs. */
  async open(store: StoreToLoad): Promise<void> {
    for (const [index, load] of this.loads.entries())
      await load.call('open', 'connectionCount' in store ? this.shared(store, index) : store);
  }

  /** All at once; their rates add up. */
  async run({ workload, ...window }: Omit<FleetRun, 'inFlight'>): Promise<ClosedLoopResult> {
    const results = await this.each((load, index) => {
      const part = { index, of: this.loads.length };
      return load.call('run', {
        ...window,
        inFlight: this.share(this.inFlight, index),
        workload: { ...workload, part },
      });
    });
    const sum = (field: keyof ClosedLoopResult): number =>
      results.reduce((total, result) => total + result[field], 0);
    return { perSecond: sum('perSecond'), total: sum('total') };
  }

  /**
   * Each compares its own streams; what it does not know must be what the others wrote, if the store is ours alone. Empty when
   * the log is right.
   */
  async check(isOurs: boolean): Promise<string[]> {
    const results = await this.each((load) => load.call('check', null));
    return isOurs ? violationsOfAll(results) : results.flatMap(({ violations }) => violations);
  }

  async close(): Promise<void> {
    await this.each((load) => load.call('close', null));
  }

  processes(): ObservedProcess[] {
    return this.loads.map(({ pid }) => ({ name: 'load', pid }));
  }

  private shared<Store extends { connectionCount: number }>(store: Store, index: number): Store {
    return { ...store, connectionCount: this.share(store.connectionCount, index) };
  }

  /** What remains of a division goes to the first ones. */
  private share(count: number, index: number): number {
    return Math.floor(count / this.loads.length) + (index < count % this.loads.length ? 1 : 0);
  }

  private each<T>(run: (load: Helper<AppendLoad>, index: number) => Promise<T>): Promise<T[]> {
    return Promise.all(this.loads.map(run));
  }
}
