import { hash } from 'node:crypto';

/**
 * A 128-bit sum of hashes of event ids. Readers that saw the same events hold the same sum, in whatever order and shares
 * they read them; an event that is missing, doubled or another one changes it. (Xor would not do: two equal events cancel
 * each other.) The halves are unsigned 64-bit and add up modulo 2^64.
 */
export interface IdDigest {
  readonly hi: bigint;
  readonly lo: bigint;
}

export const emptyDigest: IdDigest = { hi: 0n, lo: 0n };

/** The first 16 bytes of the SHA-256 of the id as lower-case text, so that SQL can compute it as well. */
export function digestOf(eventId: string): IdDigest {
  const bytes = hash('sha256', eventId.toLowerCase(), 'buffer');
  return { hi: bytes.readBigUInt64BE(0), lo: bytes.readBigUInt64BE(8) };
}

export function addDigests(a: IdDigest, b: IdDigest): IdDigest {
  return { hi: BigInt.asUintN(64, a.hi + b.hi), lo: BigInt.asUintN(64, a.lo + b.lo) };
}

/** 32 hex digits. */
export function digestToHex({ hi, lo }: IdDigest): string {
  return hi.toString(16).padStart(16, '0') + lo.toString(16).padStart(16, '0');
}

/** The inverse of {@link digestToHex}. */
export function digestFromHex(hex: string): IdDigest {
  return { hi: BigInt(`0x${hex.slice(0, 16)}`), lo: BigInt(`0x${hex.slice(16)}`) };
}
