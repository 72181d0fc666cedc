import { projectionTier } from '../../../../projections/tiers';
import { soleLiveGeneration, soleTargetOf, type Generation } from '../../../shared/generations/generations';
import { compareAtOnePosition, comparisonRecord, differencesOf } from '../../verify/compare-at-one-position';
import { refuseIllegal, RunRefused } from '../run-states';
import type { Run, Runs } from '../runs';
import type { Workplace } from '../workplace';
import { plural } from '../../output';
import { newlyParked } from './newly-parked';
import { generationsOf } from './run-generations';

export interface VerifyOptions {
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: { tier: string; phase: string; done: number; total: number }) => void;
}

/** Compares what a run has made with what serves, tier by tier, and keeps the certificates. */
export async function verifyRun(
  workplace: Workplace,
  runs: Runs,
  run: Run,
  { signal }: VerifyOptions,
): Promise<Run> {
  refuseIllegal('verify', run.run, run.state);
  const certificates: Record<string, { holds: boolean }> = {};
  const faults: string[] = [];
  for (const generation of await generationsOf(workplace, run)) {
    const { tier } = generation;
    const certificate = await prove(workplace, generation, signal);
    certificates[tier] = certificate;
    if (!certificate.holds) faults.push(`the certificate of ${tier} does not hold`);
    const parked = await newlyParked(workplace, generation);
    if (parked.length > 0)
      faults.push(
        `generation ${generation.generation} of ${tier} has parked ${plural(parked.length, 'event')} that what serves has applied`,
      );
  }
  if (faults.length === 0) return runs.step(run.run, 'verify', 'verified', { certificates });
  return runs.step(run.run, 'verify', 'refuted', { certificates, failure: faults.join('; ') });
}

async function prove(workplace: Workplace, generation: Generation, signal: AbortSignal) {
  const tier = projectionTier(generation.tier);
  if (tier === undefined) throw new Error(`${generation.tier} is no tier`);
  const live = await soleLiveGeneration(workplace.control, generation.tier);
  const side = (known: Generation) => ({
    generation: known.generation,
    pool: workplace.pool(soleTargetOf(known).databaseRef, 'mailfold_auditor'),
    schema: soleTargetOf(known).schema,
  });
  const compared = { left: side(live), right: side(generation) };
  const comparison = await compareAtOnePosition(tier, compared, signal);
  const differences = await differencesOf(tier, compared, comparison);
  return { holds: comparison.isEqual, ...comparisonRecord(compared, comparison, differences) };
}

/** Throws {@link RunRefused} unless every generation of the run has a certificate that holds. */
export function refuseUnproven(_workplace: Workplace, run: Run, generations: readonly Generation[]): void {
  for (const { tier } of generations) {
    const certificate = run.certificates[tier] as { holds?: boolean } | undefined;
    if (certificate?.holds !== true)
      throw new RunRefused(`run ${run.run} has no certificate of ${tier} that holds`, run.run, ['verify']);
  }
}
