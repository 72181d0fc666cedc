import { setTimeout as delay } from 'node:timers/promises';
import type { ProjectionTier } from '../../../projections/tier';
import { tablesOf } from '../../../projections/tiers';
import {
  compareGenerations,
  differingKeys,
  type DigestedGeneration,
  type GenerationComparison,
} from '../../shared/projecting/row-digest';
import { CommandFailure } from '../command-run';
import { table, type Output } from '../output';

const timeoutMs = 60_000;
const pauseMs = 200;
const keysShownMax = 20;

export interface Compared {
  readonly left: { readonly generation: number } & DigestedGeneration;
  readonly right: { readonly generation: number } & DigestedGeneration;
}

/**
 * Compares two generations where both have read the log exactly as far, since nothing else would mean anything. Under a
 * steady stream of writes that takes a few tries. Throws {@link CommandFailure} when 60 s did not bring them together.
 */
export async function compareAtOnePosition(
  tier: ProjectionTier,
  { left, right }: Compared,
  signal: AbortSignal,
): Promise<GenerationComparison> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    signal.throwIfAborted();
    const comparison = await compareGenerations(tier, left, right);
    if (comparison.isSamePosition) return comparison;
    if (Date.now() > deadline)
      throw new CommandFailure(
        `generations ${left.generation} and ${right.generation} of ${tier.tier} did not stand at one position within ` +
          `${timeoutMs / 1_000} s: one of them is not being kept up to date, or writes never pause`,
      );
    await delay(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

export interface Difference {
  readonly table: string;
  /** Tenant, then the rest of the primary key; at most 20. */
  readonly keys: readonly string[];
}

export async function differencesOf(
  tier: ProjectionTier,
  { left, right }: Compared,
  comparison: GenerationComparison,
): Promise<Difference[]> {
  const different = new Set(comparison.tables.filter(({ isEqual }) => !isEqual).map((each) => each.table));
  const differences: Difference[] = [];
  for (const each of tablesOf(tier).filter(({ name }) => different.has(name)))
    differences.push({ table: each.name, keys: await differingKeys(each, left, right, keysShownMax) });
  return differences;
}

/** What a comparison says to a program; `equal` first of all. */
export function comparisonRecord(
  { left, right }: Compared,
  comparison: GenerationComparison,
  differences: readonly Difference[],
): object {
  return {
    equal: comparison.isEqual,
    position: comparison.position,
    generations: [left.generation, right.generation],
    parkedEvents: [comparison.parkedEvents.left, comparison.parkedEvents.right],
    tables: comparison.tables.map((each) => ({
      table: each.table,
      equal: each.isEqual,
      rows: [each.left.rows, each.right.rows],
      digests: [each.left.digest, each.right.digest],
      differingKeys: differences.find((difference) => difference.table === each.table)?.keys ?? [],
    })),
  };
}

export function printComparison(
  output: Output,
  { left, right }: Compared,
  comparison: GenerationComparison,
  differences: readonly Difference[],
): void {
  output.line(
    `Generations ${left.generation} and ${right.generation} at position ${comparison.position ?? 'none'}`,
  );
  const rows = comparison.tables.map((each) => [
    `  ${each.isEqual ? 'equal' : 'DIFFERENT'}`,
    each.table,
    each.left.rows,
    each.right.rows,
    shortDigest(each.left.digest),
    shortDigest(each.right.digest),
  ]);
  const head = ['', 'table', `rows g${left.generation}`, `rows g${right.generation}`, 'digest', ''];
  for (const line of table([head, ...rows])) output.line(line);
  for (const { table: name, keys } of differences) {
    output.line(
      `${name}: rows that differ (tenant, key), ${keys.length === keysShownMax ? 'the first ' : ''}${keys.length}`,
    );
    for (const key of keys) output.line(`  ${key}`);
  }
}

/** Enough to tell two apart by eye; --json has all of it. */
function shortDigest(digest: string): string {
  return digest.slice(0, 16);
}
