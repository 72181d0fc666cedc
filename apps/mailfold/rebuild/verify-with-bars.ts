import type { CommandContext } from '../command-run';
import type { Output } from '../output';
import type { RunOperations } from './operations/run-operations';
import { readExpectedDifferences } from '../verify/expected-differences';
import type { RunView } from './operations/run-view';
import { PhaseBars } from './phase-bars';
import type { ExpectedFlags } from './run-flags';
import { printCertificates } from './run-screens';

/** Proves a run, and shows how far that is and what came of it. */
export async function verifyWithBars(
  operations: RunOperations,
  run: number,
  { expected }: ExpectedFlags,
  { output, signal }: CommandContext,
): Promise<RunView> {
  const expectedDifferences = await readExpectedDifferences(expected);
  const bars = new PhaseBars();
  const onProgress = ({ phase, done, total }: { phase: string; done: number; total: number }): void =>
    bars.show({ phase, done, total, what: 'steps', events: 0 });
  const view = await operations
    .verify(run, { signal, expectedDifferences, onProgress })
    .finally(() => bars.stop());
  printCertificates(output, view);
  output.line(`Written to ${view.certificateFile}.`);
  return view;
}

export function tellRefuted(output: Output, { run, state, failure }: RunView): void {
  if (state === 'refuted') output.error(`run ${run} is refuted: ${failure ?? 'a gate does not hold'}`);
}
