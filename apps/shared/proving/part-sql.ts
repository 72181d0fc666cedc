import { escapeIdentifier } from 'pg';
import type { ProjectionTier } from '../../../projections/tier';
import { tablesOf } from '../../../projections/tiers';
import { RowText } from './row-text';
import type { SnapshotPart } from './snapshot-part';

/** Puts for `{table}` the rows of the part (projections/invariant.ts). Throws for a table that the tier has not. */
export function sqlFor(tier: ProjectionTier, { schema, coverage }: SnapshotPart, sql: string): string {
  const tables = new Map(tablesOf(tier).map((table) => [table.name, new RowText(table)]));
  return sql.replaceAll(/\{(\w+)\}/g, (_braces, name: string) => {
    const text = tables.get(name);
    if (text === undefined) throw new Error(`${tier.tier} has no table ${name}`);
    return `(select * from ${text.from(schema)} where ${text.within(coverage)})`;
  });
}

export function parkedTable({ schema }: Pick<SnapshotPart, 'schema'>): string {
  return `${escapeIdentifier(schema)}.parked_sequences`;
}
