import type { Generation } from '../../../shared/generations/generations';
import { readPlacement } from '../../../shared/generations/placement';
import { percentile95 } from '../governor';
import { StandsStill, waitUntilLevel } from '../generation-progress';
import { servedParts } from '../layout';
import type { Workplace } from '../workplace';
import { newlyParkedOf } from './newly-parked';
import { readProbe } from './read-probe';

const probes = 20;
const readP95MaxMs = 1_000;
const levelTimeoutMs = 10_000;

/** What speaks against letting a generation serve more than it does, in one line; null: it is well. */
export async function healthFault(workplace: Workplace, generation: Generation): Promise<string | null> {
  return (
    (await faultOfReads(workplace, generation)) ??
    (await faultOfLag(workplace, generation)) ??
    (await faultOfParked(workplace, generation))
  );
}

async function faultOfReads(workplace: Workplace, { tier }: Generation): Promise<string | null> {
  const probe = await readProbe(workplace, [tier]);
  const took: number[] = [];
  for (let count = 0; count < probes; count += 1) {
    const startedAt = performance.now();
    try {
      await probe();
    } catch (error) {
      return `a read failed: ${error instanceof Error ? error.message : String(error)}`;
    }
    took.push(performance.now() - startedAt);
  }
  const p95Ms = percentile95(took);
  return p95Ms > readP95MaxMs ? `reads take ${p95Ms.toFixed(0)} ms (p95), more than ${readP95MaxMs}` : null;
}

async function faultOfLag(workplace: Workplace, { tier, targets }: Generation): Promise<string | null> {
  const leader = servedParts(await readPlacement(workplace.control, tier));
  try {
    const signal = AbortSignal.timeout(levelTimeoutMs);
    await waitUntilLevel(workplace, { follower: targets, leader }, signal);
    return null;
  } catch (error) {
    if (error instanceof StandsStill || (error instanceof Error && error.name === 'TimeoutError'))
      return 'it does not keep up with the log';
    throw error;
  }
}

async function faultOfParked(workplace: Workplace, generation: Generation): Promise<string | null> {
  const newly = await newlyParkedOf(workplace, generation);
  return newly.length === 0
    ? null
    : `it has parked ${newly.length} events that were applied before, such as ${newly[0] ?? ''}`;
}
