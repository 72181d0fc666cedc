import type { ClientBase } from 'pg';
import type { ProjectionTier } from '../../../projections/tier';
import { tablesOf } from '../../../projections/tiers';
import { RowText } from '../proving/row-text';
import { digestSlots, digestText, totalOf } from '../proving/slot-digests';

/** What a refold found in a table and what it left, by the digests of proofs (rebuild.md G2). */
export interface RefoldedTable {
  readonly table: string;
  readonly before: RowsDigest;
  readonly after: RowsDigest;
  /** Whether the digests differ: some row was not what the log says. */
  readonly isChanged: boolean;
}

export interface RowsDigest {
  readonly rows: number;
  /** 32 hex digits; does not depend on the order of the rows. */
  readonly digest: string;
}

export interface RowsToDigest {
  readonly tier: ProjectionTier;
  readonly schema: string;
  readonly tenantId: string;
  readonly slots: ReadonlySet<number>;
}

/** By table, what a transaction sees of a tenant's rows in some slots. */
export async function digestTables(
  client: ClientBase,
  { tier, schema, tenantId, slots }: RowsToDigest,
): Promise<ReadonlyMap<string, RowsDigest>> {
  const digests = new Map<string, RowsDigest>();
  for (const table of tablesOf(tier)) {
    const text = new RowText(table);
    const where = text.ofTenant(tenantId, slots);
    const total = totalOf(await digestSlots(client, { text, schema, where, hash: 'hashtextextended' }));
    digests.set(table.name, { rows: total.rows, digest: digestText(total) });
  }
  return digests;
}

export function refoldedTables(
  before: ReadonlyMap<string, RowsDigest>,
  after: ReadonlyMap<string, RowsDigest>,
): RefoldedTable[] {
  return [...before].map(([table, its]) => {
    const now = after.get(table) ?? its;
    const isChanged = its.rows !== now.rows || its.digest !== now.digest;
    return { table, before: its, after: now, isChanged };
  });
}
