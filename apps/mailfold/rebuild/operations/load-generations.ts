import { join } from 'node:path';
import { urlNamed, type Generation } from '../../../shared/generations/generations';
import { coverageOf, readPlacement, type Target } from '../../../shared/generations/placement';
import { hasHistory, setHistoryPeriod } from '../../../shared/partitions/history-partitions';
import { partsOfSide } from '../../../shared/proving/side';
import { bulkLoad, type LoadProgress, type TargetToLoad } from '../../../shared/rebuilding/bulk-load';
import { copyLoad } from '../../../shared/rebuilding/copy/copy-load';
import { projectionTier } from '../../../../projections/tiers';
import type { RepartitionSpec } from '../run-spec';
import type { Run } from '../runs';
import type { Workplace } from '../workplace';
import type { PhaseFigures } from './attendance';

export interface LoadHooks {
  readonly signal: AbortSignal;
  readonly pace: () => Promise<void>;
  readonly tell: (figures: PhaseFigures) => void;
}

/**
 * Fills the generations of a run, up to the run's fence from the log, or from the rows that serve. Resolves to whether it
 * came to the end: if not it was aborted, and the same call goes on.
 */
export async function loadGenerations(
  workplace: Workplace,
  run: Run,
  generations: readonly Generation[],
  hooks: LoadHooks,
): Promise<boolean> {
  const { spec, fence, plan } = run;
  if (spec.kind === 'repartition') {
    await setHistoryPeriods(workplace, spec, generations);
    if (plan.source === 'copy') return copyGenerations(workplace, generations, hooks);
  }
  if (fence === null) return true;
  const { isComplete } = await bulkLoad({
    log: { ...workplace.log(), controlDatabaseUrl: workplace.controlUrl },
    tiers: generations.map(({ tier, targets }) => ({
      tier,
      targets: targets.map((target) => targetToLoad(workplace, target)),
    })),
    ...{ fence, poison: spec.poison, signal: hooks.signal, pace: hooks.pace },
    ...(spec.tenantId === undefined ? {} : { only: { tenantId: spec.tenantId } }),
    spoolFolder: join(workplace.runFolder(run.run), 'spool'),
    onProgress: (progress) => hooks.tell(figuresOf(progress)),
  });
  return isComplete;
}

async function copyGenerations(
  workplace: Workplace,
  generations: readonly Generation[],
  { signal, pace, tell }: LoadHooks,
): Promise<boolean> {
  for (const generation of generations) {
    const { targets } = generation;
    const tier = projectionTier(generation.tier);
    if (tier === undefined) throw new Error(`${generation.tier} is no tier`);
    const { isComplete } = await copyLoad({
      ...{ tier, signal, pace, store: workplace.store() },
      sources: await copySources(workplace, generation),
      targets: targets.map((target) => targetToLoad(workplace, target)),
      onProgress: (progress) => tell(figuresOf(progress)),
    });
    if (!isComplete) return false;
  }
  return true;
}

/** Every row of what is to be filled, wherever it is served from now. */
async function copySources({ control, urls }: Workplace, { tier, targets }: Generation) {
  const placement = await readPlacement(control, tier);
  return targets
    .flatMap((target) => partsOfSide(placement, 'serving', coverageOf(target)))
    .map(({ target: { databaseRef, schema }, coverage }) => ({
      databaseUrl: urlNamed(urls, databaseRef),
      ...{ schema, coverage },
    }));
}

function targetToLoad({ urls }: Workplace, target: Target): TargetToLoad {
  const { generation, schema, databaseRef } = target;
  return { generation, schema, coverage: coverageOf(target), databaseUrl: urlNamed(urls, databaseRef) };
}

/** Before the first row: partitions are made as rows come. */
async function setHistoryPeriods(
  workplace: Workplace,
  { historyPartitions }: RepartitionSpec,
  generations: readonly Generation[],
): Promise<void> {
  if (historyPartitions === undefined) return;
  for (const { tier, targets } of generations) {
    const known = projectionTier(tier);
    if (known === undefined || !hasHistory(known)) continue;
    for (const { databaseRef, schema } of targets)
      await setHistoryPeriod(workplace.pool(databaseRef), schema, historyPartitions);
  }
}

function figuresOf({ phase, done, total, what, events }: LoadProgress): PhaseFigures {
  return { phase, done, total, what, events };
}
