import type { ProjectionTier } from '../../../../projections/tier';
import { projectionTier } from '../../../../projections/tiers';
import { readPlacement, type Placement } from '../../../shared/generations/placement';
import { returnedTenant } from '../run-spec';
import { RunRefused } from '../run-states';
import type { Run } from '../runs';
import type { Workplace } from '../workplace';

/** A run that lets a pinned tenant be served by its slots again: it makes no generation, and drops one when it is retired. */
export interface TenantReturn {
  readonly tier: ProjectionTier;
  readonly tenantId: string;
  /** The generation that the tenant was pinned to when the run was planned. */
  readonly pinnedTo: number;
}

/**
 * What a run returns, while the tenant is still served from where it is pinned. Throws {@link RunRefused} when it is pinned
 * elsewhere by now, or not at all.
 */
export async function returnOf({ control }: Workplace, run: Run): Promise<TenantReturn> {
  const planned = plannedReturn(run);
  const { tier, tenantId, pinnedTo } = planned;
  if (pinnedGeneration(await readPlacement(control, tier.tier), tenantId) !== pinnedTo)
    throw new RunRefused(
      `run ${run.run} is out of date: generation ${pinnedTo} of ${tier.tier} does not serve tenant ${tenantId} any more`,
      run.run,
      ['discard'],
    );
  return planned;
}

/** As it was planned. */
export function plannedReturn({ run, spec, plan }: Run): TenantReturn {
  const [planned] = plan.tiers;
  const tier = planned && projectionTier(planned.tier);
  const tenantId = returnedTenant(spec);
  const pinnedTo = planned?.moving[0]?.from.generation;
  if (tier === undefined || tenantId === null || pinnedTo === undefined)
    throw new Error(`Run ${run} returns no tenant`);
  return { tier, tenantId, pinnedTo };
}

/** Null: the tenant is served by its slots. */
export function pinnedGeneration({ tenantPointers }: Placement, tenantId: string): number | null {
  return tenantPointers.find((pointer) => pointer.tenantId === tenantId)?.generation ?? null;
}
