import type { Tier } from '../../../../projections/projection';
import { tablesOf } from '../../../../projections/tiers';
import { tierNamed } from '../target-pools';
import { figure, type Figure } from './figure';
import type { SampledLoad } from './sample-load';
import { measureTables } from './scratch-measures';
import type { ScratchTargets } from './scratch-targets';

export interface TableEstimate {
  readonly tier: Tier;
  readonly table: string;
  readonly sampledRows: number;
  readonly rows: Figure;
  /** With its indexes. */
  readonly bytes: Figure;
}

/** How sure one may be that rows grow as the sample has grown: of the power, either way. */
const powerError = 0.1;
const errorMin = 0.02;

/** Rows grow with a power of the log that is each table's own (row-growth.ts), bytes with the rows. */
export async function estimateTables(
  scratch: ScratchTargets,
  { sample: { factor }, growth }: Pick<SampledLoad, 'sample' | 'growth'>,
): Promise<TableEstimate[]> {
  const estimates: TableEstimate[] = [];
  for (const { tier } of scratch.tiers) {
    const measures = await measureTables(scratch.all.filter((target) => target.tier.tier === tier));
    for (const { name } of tablesOf(tierNamed(tier))) {
      const { rows, bytes } = measures.get(name) ?? { rows: 0, bytes: 0 };
      const power = growth.get(`${tier}.${name}`) ?? 1;
      const times = factor ** power;
      const error = errorMin + (power < 1 ? factor ** powerError - 1 : sampling(rows));
      estimates.push({
        ...{ tier, table: name, sampledRows: rows },
        rows: factor === 1 ? figure(rows, 0) : figure(Math.round(rows * times), error),
        bytes: factor === 1 ? figure(bytes, 0) : figure(Math.round(bytes * times), error),
      });
    }
  }
  return estimates;
}

/** Twice the standard error of a count, as a part of it. */
function sampling(rows: number): number {
  return rows === 0 ? 1 : 2 / Math.sqrt(rows);
}
