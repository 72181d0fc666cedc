import { setImmediate } from 'node:timers/promises';
import type { ProjectionTier } from '../../../../projections/tier';
import type { Coverage } from '../../generations/coverage';
import type { Bucket, StoppedSequence } from '../contracts';
import { BucketFold } from '../load/bucket-fold';
import type { LogRange } from '../scan/scan-plan';
import { readSpool, type Spool } from '../spool/read-spool';

/** With fewer rows chance decides. */
const rowsMin = 30;

export interface GrowthSample {
  readonly spool: Spool;
  readonly stretches: readonly LogRange[];
  readonly tier: ProjectionTier;
  /** Its place in the run. */
  readonly tierIndex: number;
  readonly bucket: Bucket;
  readonly coverages: readonly Coverage[];
  readonly stopped: readonly StoppedSequence[];
}

/**
 * By table the power of the number of events that its rows grow with: 1 where every event may bring a row, 0 where all rows
 * are there from the start (an agent's figures, a mailbox's day). From one bucket of the sample, folded whole and with the
 * first half of every stretch only: growth along the log, as a longer stretch would show it. A table that is left out
 * grows with the log.
 */
export async function growthByTable(sample: GrowthSample): Promise<ReadonlyMap<string, number>> {
  const middles = sample.stretches.map(({ after, upTo }) => ((after ?? 0n) + upTo) / 2n);
  const whole = await rowCounts(sample, () => true);
  const halves = await rowCounts(sample, (position) => {
    const stretch = sample.stretches.findIndex(({ upTo }) => position <= upTo);
    return position <= (middles[stretch] ?? -1n);
  });
  return new Map(
    [...whole].map(([table, rows]) => {
      const half = halves.get(table) ?? 0;
      return [table, half < rowsMin ? 1 : Math.min(1, Math.max(0, Math.log2(rows / half)))];
    }),
  );
}

async function rowCounts(
  { spool, tier, tierIndex, bucket, coverages, stopped }: GrowthSample,
  isTaken: (position: bigint) => boolean,
): Promise<Map<string, number>> {
  const fold = new BucketFold({ tier, slots: bucket.slots, coverages, stopped });
  for (const block of readSpool(spool, tierIndex, bucket.index)) {
    for (const event of block) if (isTaken(event.position)) fold.add(event);
    // Besides us, the thread may serve requests.
    await setImmediate();
  }
  return new Map(
    fold.tables.map((table) => [
      table.name,
      coverages.reduce((sum, coverage) => sum + [...fold.rowsOf(table, coverage)].length, 0),
    ]),
  );
}
