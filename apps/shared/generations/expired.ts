import type { Pool } from 'pg';
import type { Tier } from '../../../projections/projection';
import { dropSchemas, listGenerations, retireGeneration, type DatabaseUrls } from './generations';

/**
 * Drops the copies as of a time that have outlived their time. Schemas first: a copy whose database is away is tried again by
 * the next call. Repeatable, by several processes at once. Resolves to what it has dropped.
 */
export async function dropExpired(
  controlPool: Pool,
  urls: DatabaseUrls,
  {
    now = new Date(),
    onTrouble,
  }: { readonly now?: Date; readonly onTrouble?: (error: unknown) => void } = {},
): Promise<{ readonly tier: Tier; readonly generation: number }[]> {
  const dropped = [];
  for (const { tier, generation, state, kind, expiresAt, targets } of await listGenerations(controlPool)) {
    if (kind !== 'as-of' || state !== 'frozen' || expiresAt === null || new Date(expiresAt) > now) continue;
    try {
      await dropSchemas(urls, targets);
      await retireGeneration(controlPool, urls, tier, generation);
      dropped.push({ tier, generation });
    } catch (error) {
      onTrouble?.(error);
    }
  }
  return dropped;
}
