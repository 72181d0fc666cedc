import { listGenerations } from '../../../shared/generations/generations';
import type { RunSpec } from '../run-spec';
import type { RunPlan } from '../runs';
import type { Workplace } from '../workplace';

/** Rows may be copied only if the code that folded them is the code of today. */
export async function sourceOf(
  { control, codeVersion }: Workplace,
  spec: RunSpec,
): Promise<RunPlan['source']> {
  if (spec.kind === 'rebuild') return 'replay';
  if (spec.source !== undefined) return spec.source;
  // Into targets that serve others: only rows can be brought there.
  if (spec.back === true) return 'copy';
  for (const tier of spec.tiers)
    for (const { codeVersion: filledBy, isLive } of await listGenerations(control, tier))
      if (isLive && filledBy !== codeVersion) return 'replay';
  return 'copy';
}
