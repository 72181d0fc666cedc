import type { LoadOutcome } from './contracts';
import { loadedRows } from './load/load-units';
import { progressOf, type LaneProgress, type TargetPools } from './target-pools';

/** What the targets of a load that is finished hold, whichever call has filled them. */
export async function outcomeOf({ all }: TargetPools): Promise<LoadOutcome> {
  const rows: Record<string, number> = {};
  const eventsOfTier: number[] = [];
  let furthest: LaneProgress['checkpoint'] = null;
  let parkedEvents = 0;
  for (const { pool, schema, tier, place } of all) {
    for (const [table, count] of Object.entries(await loadedRows(pool, schema))) {
      const name = `${tier.tier}.${table}`;
      rows[name] = (rows[name] ?? 0) + count;
    }
    const progress = await progressOf({ pool, schema });
    eventsOfTier[place.tier] = (eventsOfTier[place.tier] ?? 0) + progress.events;
    parkedEvents += progress.parkedEvents;
    if ((progress.checkpoint?.position ?? 0n) > (furthest?.position ?? 0n)) furthest = progress.checkpoint;
  }
  const events = Math.max(0, ...eventsOfTier);
  return { isComplete: true, events, rows, parkedEvents, checkpoint: furthest };
}
