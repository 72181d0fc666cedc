import { listGenerations, type Generation } from '../../../shared/generations/generations';
import { readPlacement } from '../../../shared/generations/placement';
import type { Workplace } from '../workplace';
import { servedBefore } from './moves';

const parkedMax = 10_000;

/**
 * Events that a generation has parked and that those it replaces, or would replace, have applied. By id: a count of each
 * would not do, since as many others may have been released.
 */
export async function newlyParked(workplace: Workplace, generation: Generation): Promise<string[]> {
  const { tier, targets } = generation;
  const placement = await readPlacement(workplace.control, tier);
  const before = servedBefore(placement, generation.generation);
  const others = (await listGenerations(workplace.control, tier)).filter(
    (known) =>
      known.generation !== generation.generation && (known.isLive || before.includes(known.generation)),
  );
  const known = await parkedEvents(
    workplace,
    others.flatMap((other) => other.targets),
  );
  return [...(await parkedEvents(workplace, targets))].filter((event) => !known.has(event));
}

async function parkedEvents(
  workplace: Workplace,
  targets: readonly { readonly databaseRef: string; readonly schema: string }[],
): Promise<Set<string>> {
  const events = new Set<string>();
  for (const { databaseRef, schema } of targets) {
    const { rows } = await workplace
      .pool(databaseRef, 'mailfold_auditor')
      .query<{ event_id: string }>(
        `select event_id from ${schema}.parked_sequences order by position limit ${parkedMax}`,
      );
    for (const { event_id } of rows) events.add(event_id);
  }
  return events;
}
