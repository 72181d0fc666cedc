import type { Balance, Figures } from '../../../projections/invariant';
import { projectionTier } from '../../../projections/tiers';
import { hashesOf, type HashName } from './row-text';
import { sqlFor } from './part-sql';
import type { SnapshotPart } from './snapshot-part';

/** Parts per tier, as far as a proof reads them. */
export type PartsByTier = ReadonlyMap<string, readonly SnapshotPart[]>;

export interface BalanceInput {
  readonly parts: PartsByTier;
  readonly hash: HashName;
  /** Their rows are not all there, since something of theirs is parked. */
  readonly exceptTenants: readonly string[];
}

/** A key whose two figures differ. */
export interface Imbalance {
  readonly key: string;
  readonly left: bigint;
  readonly right: bigint;
}

/**
 * The keys that are out of balance. A sum of `figure × hash(key)` is additive: it tells over any number of targets,
 * without a row of them being brought together, in which of 256 parts of all keys there are any. Only those keys are read.
 */
export async function imbalances(balance: Balance, input: BalanceInput): Promise<Imbalance[]> {
  const [left, right] = await Promise.all([
    bucketSums(balance.left, input),
    bucketSums(balance.right, input),
  ]);
  const buckets = [...new Set([...left.keys(), ...right.keys()])].filter(
    (bucket) => (left.get(bucket) ?? 0n) !== (right.get(bucket) ?? 0n),
  );
  const found: Imbalance[] = [];
  for (let at = 0; at < buckets.length; at += bucketsAtOnce)
    found.push(...(await imbalancesIn(balance, input, buckets.slice(at, at + bucketsAtOnce))));
  return found;
}

/** At 40 million keys a bucket has 160,000. */
const bucketsAtOnce = 4;

async function imbalancesIn(
  balance: Balance,
  input: BalanceInput,
  buckets: readonly number[],
): Promise<Imbalance[]> {
  const [left, right] = await Promise.all([
    figuresIn(balance.left, input, buckets),
    figuresIn(balance.right, input, buckets),
  ]);
  return [...new Set([...left.keys(), ...right.keys()])]
    .map((key) => ({ key, left: left.get(key) ?? 0n, right: right.get(key) ?? 0n }))
    .filter((figures) => figures.left !== figures.right);
}

async function bucketSums(figures: Figures, input: BalanceInput): Promise<Map<number, bigint>> {
  const sums = new Map<number, bigint>();
  for (const part of partsOf(figures, input)) {
    const { rows } = await part.snapshot.read((client) =>
      client.query<{ bucket: number; sum: string }>(
        `select bucket, sum(figure::numeric * hash)::text as sum from (${hashed(figures, part, input.hash)}) x group by bucket`,
        [input.exceptTenants],
      ),
    );
    for (const { bucket, sum } of rows) sums.set(bucket, (sums.get(bucket) ?? 0n) + BigInt(sum));
  }
  return sums;
}

async function figuresIn(
  figures: Figures,
  input: BalanceInput,
  buckets: readonly number[],
): Promise<Map<string, bigint>> {
  const sums = new Map<string, bigint>();
  for (const part of partsOf(figures, input)) {
    const { rows } = await part.snapshot.read((client) =>
      client.query<{ name: string; figure: string }>(
        `select name, sum(figure)::text as figure from (${hashed(figures, part, input.hash)}) x
         where bucket = any ($2) group by name`,
        [input.exceptTenants, buckets],
      ),
    );
    for (const { name, figure } of rows) sums.set(name, (sums.get(name) ?? 0n) + BigInt(figure));
  }
  return sums;
}

function hashed({ tier, sql }: Figures, part: SnapshotPart, hash: HashName): string {
  const known = projectionTier(tier);
  if (known === undefined) throw new Error(`There is no tier ${tier}`);
  const [first] = hashesOf(hash, 'name');
  return `select name, figure, ${first} as hash, (${first} & 255)::int as bucket
          from (select tenant_id || ' ' || key as name, figure from (${sqlFor(known, part, sql)}) f
                where tenant_id <> all ($1::uuid[]) offset 0) named`;
}

function partsOf({ tier }: Figures, { parts }: BalanceInput): readonly SnapshotPart[] {
  return parts.get(tier) ?? [];
}
