import { listGenerations, type Generation } from '../../../shared/generations/generations';
import { coverageOf, readPlacement, type Target } from '../../../shared/generations/placement';
import { newlyParked, type ParkedPart } from '../../../shared/proving/parked-events';
import type { Workplace } from '../workplace';
import { servedBefore } from './moves';

/** Events that a generation has parked by now and that those it replaces, or would replace, have applied; a line each. */
export async function newlyParkedOf(workplace: Workplace, generation: Generation): Promise<string[]> {
  const { tier, targets } = generation;
  const placement = await readPlacement(workplace.control, tier);
  const before = servedBefore(placement, generation.generation);
  const others = (await listGenerations(workplace.control, tier)).filter(
    (known) =>
      known.generation !== generation.generation && (known.isLive || before.includes(known.generation)),
  );
  return newlyParked(
    others.flatMap((other) => other.targets.map((target) => partNow(workplace, target))),
    targets.map((target) => partNow(workplace, target)),
  );
}

function partNow(workplace: Workplace, target: Target): ParkedPart {
  const auditor = workplace.pool(target.databaseRef, 'mailfold_auditor');
  return { schema: target.schema, coverage: coverageOf(target), read: (work) => work(auditor) };
}
