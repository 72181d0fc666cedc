import { contentTier } from './content';
import { olapTier } from './olap';
import { oltpTier } from './oltp';
import type { AnyTable } from './projection';
import type { ProjectionTier } from './tier';

/** Every tier there is. A tier, a projection or a table added to it is projected, rebuilt and proved from then on. */
export const projectionTiers: readonly ProjectionTier[] = [oltpTier, contentTier, olapTier];

/** Undefined for a name that is no tier with projections. */
export function projectionTier(name: string): ProjectionTier | undefined {
  return projectionTiers.find(({ tier }) => tier === name);
}

export function tablesOf({ projections }: ProjectionTier): AnyTable[] {
  return projections.flatMap(({ tables }) => [...tables]);
}
