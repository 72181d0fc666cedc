import type { ClientBase } from 'pg';
import { slotListSha256 } from './certificate';
import { hashesOf, type HashName, type RowText } from './row-text';

/** Rows of one slot of one table. Sums do not depend on the order of rows, and add up over targets (rebuild.md G2). */
export interface SlotDigest {
  readonly rows: number;
  /** Sums of two hashes over the rows, modulo 2^64. */
  readonly first: bigint;
  readonly second: bigint;
}

export type SlotDigests = ReadonlyMap<number, SlotDigest>;

/** What one schema holds of the rows that `where` selects (RowText.within, RowText.ofTenant). */
export async function digestSlots(
  client: ClientBase,
  { text, schema, where, hash }: { text: RowText; schema: string; where: string; hash: HashName },
): Promise<SlotDigests> {
  const [first, second] = hashesOf(hash, 'r');
  const { rows } = await client.query<{ slot: number; rows: string; first: string; second: string }>(
    // `offset 0` keeps the text of a row from being made once per hash.
    `select slot, count(*) as rows, sum(${first}) as first, sum(${second}) as second
     from (select t.slot, ${text.text} as r from ${text.from(schema)} where ${where} offset 0) x
     group by slot`,
  );
  return new Map(
    rows.map((row) => [
      row.slot,
      {
        rows: Number(row.rows),
        first: BigInt.asUintN(64, BigInt(row.first)),
        second: BigInt.asUintN(64, BigInt(row.second)),
      },
    ]),
  );
}

export function addSlotDigests(all: readonly SlotDigests[]): SlotDigests {
  const sums = new Map<number, SlotDigest>();
  for (const digests of all)
    for (const [slot, digest] of digests) sums.set(slot, added(sums.get(slot) ?? none, digest));
  return sums;
}

export function totalOf(digests: SlotDigests): SlotDigest {
  return [...digests.values()].reduce(added, none);
}

/** 32 hex digits. */
export function digestText({ first, second }: SlotDigest): string {
  return first.toString(16).padStart(16, '0') + second.toString(16).padStart(16, '0');
}

/** In the order of the slots. */
export function slotLines(digests: SlotDigests): string[] {
  return [...digests]
    .sort(([one], [other]) => one - other)
    .map(([slot, digest]) => `${slot} ${digest.rows} ${digestText(digest)}`);
}

export function slotsSha256(digests: SlotDigests): string {
  return slotListSha256(slotLines(digests));
}

export function differingSlots(left: SlotDigests, right: SlotDigests): number[] {
  return [...new Set([...left.keys(), ...right.keys()])]
    .filter((slot) => !isEqual(left.get(slot) ?? none, right.get(slot) ?? none))
    .sort((one, other) => one - other);
}

const none: SlotDigest = { rows: 0, first: 0n, second: 0n };

function added(one: SlotDigest, other: SlotDigest): SlotDigest {
  return {
    rows: one.rows + other.rows,
    first: BigInt.asUintN(64, one.first + other.first),
    second: BigInt.asUintN(64, one.second + other.second),
  };
}

function isEqual(one: SlotDigest, other: SlotDigest): boolean {
  return one.rows === other.rows && one.first === other.first && one.second === other.second;
}
