import { createProgress } from './progress';
import type { Reported } from './report';
import type { Row, RowContext } from './row';
import { runCase, type RunPlan } from './run-case';

export interface RowRun {
  readonly plan: RunPlan;
  readonly quick: boolean;
  readonly events?: number;
  readonly url?: string;
  /** Only cases whose name contains it. */
  readonly casePart?: string;
  readonly signal: AbortSignal;
  /** Lines about the run, for stderr. */
  readonly notice: (line: string) => void;
  /** Told about each case as soon as it is done. */
  readonly onCase: (reported: Reported) => void;
}

/** Opens a row, runs its cases one after the other, and closes everything it has opened, whatever happens. */
export async function runRow(row: Row, run: RowRun): Promise<void> {
  const closers: (() => unknown)[] = [];
  const context: RowContext = {
    seed: run.plan.seed,
    quick: run.quick,
    ...(run.events === undefined ? {} : { events: run.events }),
    ...(run.url === undefined ? {} : { url: run.url }),
    signal: run.signal,
    onClose: (close) => void closers.push(close),
    notice: run.notice,
  };
  try {
    const cases = await row.open(context);
    const sideRuns = 2 * (run.plan.warmUpRounds + run.plan.rounds);
    for (const each of cases) {
      if (run.casePart !== undefined && each.name?.includes(run.casePart) !== true) continue;
      const label = each.name === undefined ? row.name : `${row.name} (${each.name})`;
      const progress = createProgress(label, row.unit, sideRuns, run.notice);
      const result = await runCase(each, each.target ?? row.target, run.plan, progress, run.signal);
      run.onCase({ row, ...(each.name === undefined ? {} : { caseName: each.name }), result });
    }
  } finally {
    for (let close = closers.pop(); close; close = closers.pop()) {
      try {
        await close();
      } catch (error) {
        run.notice(`while closing ${row.name}: ${String(error)}`);
      }
    }
  }
}
