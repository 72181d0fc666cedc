import { isDeepStrictEqual } from 'node:util';
import {
  completeGeneration,
  createGeneration,
  listGenerations,
  type Generation,
  type TargetToMake,
} from '../../../shared/generations/generations';
import { readPlacement } from '../../../shared/generations/placement';
import type { Tier } from '../../../../projections/projection';
import { layoutOf } from '../layout';
import { RunRefused } from '../run-states';
import type { Run } from '../runs';
import type { Workplace } from '../workplace';

/** What a run has made so far, in the order of its tiers. */
export async function generationsOf(
  { control }: Workplace,
  { run }: Pick<Run, 'run'>,
): Promise<Generation[]> {
  return (await listGenerations(control)).filter((known) => known.run === run && known.state !== 'retired');
}

/** The generations of a run, made where they are missing and completed where a kill left them half made. */
export async function makeGenerations(workplace: Workplace, run: Run): Promise<Generation[]> {
  const { control, urls } = workplace;
  const known = await generationsOf(workplace, run);
  const generations: Generation[] = [];
  for (const { tier, targets } of run.plan.tiers) {
    const made = known.find((generation) => generation.tier === tier);
    const toMake = targets.map((target) => ({ ...target, lanes: run.plan.lanes }));
    if (made === undefined) {
      await refuseStalePlan(workplace, run, tier, targets);
      generations.push(
        await createGeneration(control, urls, tier, { ...generationToMake(run), targets: toMake }),
      );
    } else {
      if (made.state === 'building') await completeGeneration(urls, tier, made.generation, toMake);
      generations.push(made);
    }
  }
  return generations;
}

function generationToMake({ run, spec, codeVersion }: Run) {
  if (spec.kind === 'repartition') return { run, codeVersion, kind: 'repartition' as const };
  if (spec.asOf === undefined) return { run, codeVersion, kind: 'rebuild' as const };
  return {
    ...{ run, codeVersion, kind: 'as-of' as const },
    asOfPosition: BigInt(spec.asOf.position),
    expiresAt: new Date(Date.now() + spec.asOf.ttlHours * 3_600_000),
  };
}

/** What serves may have moved since the plan was made. */
async function refuseStalePlan(
  { control }: Workplace,
  { run, spec }: Run,
  tier: Tier,
  planned: readonly TargetToMake[],
): Promise<void> {
  const { targets } = layoutOf(spec, await readPlacement(control, tier));
  if (isDeepStrictEqual(targets, planned)) return;
  throw new RunRefused(`run ${run} is out of date: what serves ${tier} has moved since it was planned`, run, [
    'plan',
    'discard',
  ]);
}
