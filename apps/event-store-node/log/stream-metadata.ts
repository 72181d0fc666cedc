import { uint63Max } from '../../shared/protobuf/protobuf-reader';

/** The truncation rules of a stream, as its `$$` stream states them. Absent or senseless values do not count. */
export interface StreamMetadata {
  /** Events below this revision are hidden; {@link uint63Max} means deleted. */
  readonly truncateBefore: number | undefined;
  readonly maxCount: number | undefined;
  readonly maxAgeMs: number | undefined;
}

/** In ticks of 100 ns an age must fit in 63 bits. */
const maxAgeMaxS = uint63Max / 1e7;

export const noMetadata: StreamMetadata = {
  truncateBefore: undefined,
  maxCount: undefined,
  maxAgeMs: undefined,
};

/** What a soft delete writes. Literal, because no double holds 2^63 - 1 (event-store.md §4, Delete). */
export const softDeleteMetadata = Buffer.from('{"$tb":9223372036854775807}');
const softDeletePattern = /"\$tb"\s*:\s*9223372036854775807(?!\d)/;

/**
 * Reads stream metadata. Data that is not a JSON object means no rules, and so does a system key of the wrong kind: a real
 * node gives up on the whole document then, but steps over an integer that makes no sense (observed on 23.10.8 and 24.2.0).
 */
export function parseStreamMetadata(data: Buffer): StreamMetadata {
  const document = jsonObject(data);
  const { $maxAge, $maxCount, $tb, $cacheControl, $acl } = document;
  const isWhole =
    [$maxCount, $tb].every((value) => isAbsentOrInteger(value, uint63Max)) &&
    [$maxAge, $cacheControl].every((value) => isAbsentOrInteger(value, maxAgeMaxS)) &&
    ($acl === undefined || typeof $acl === 'object');
  if (!isWhole) return noMetadata;
  const maxAgeS = positive($maxAge);
  return {
    truncateBefore: truncateBefore(positive($tb), data),
    maxCount: positive($maxCount),
    maxAgeMs: maxAgeS === undefined ? undefined : maxAgeS * 1000,
  };
}

function isAbsentOrInteger(value: unknown, max: number): boolean {
  return value === undefined || (Number.isInteger(value) && Math.abs(value as number) <= max);
}

export function isSoftDeleted(metadata: StreamMetadata): boolean {
  return metadata.truncateBefore !== undefined && metadata.truncateBefore >= uint63Max;
}

/** The metadata a stream gets when it is written to after a soft delete: all other keys stay. */
export function undeletedMetadata(data: Buffer, truncateBefore: number): Buffer {
  return Buffer.from(JSON.stringify({ ...jsonObject(data), $tb: truncateBefore }));
}

/** Lowest revision that reads may show. `last` is the stream's last revision. */
export function firstVisibleRevision(metadata: StreamMetadata, last: number): number {
  const byCount = metadata.maxCount === undefined ? 0 : last - metadata.maxCount + 1;
  return Math.max(0, metadata.truncateBefore ?? 0, byCount);
}

/** Whether an event has outlived the stream's `$maxAge`. */
export function isExpired(metadata: StreamMetadata, createdAtMs: number, nowMs: number): boolean {
  return metadata.maxAgeMs !== undefined && createdAtMs < nowMs - metadata.maxAgeMs;
}

/** Numbers near 2^63 are one and the same as doubles, but only the last of them deletes: the text decides. */
function truncateBefore(value: number | undefined, data: Buffer): number | undefined {
  if (value === undefined || value < uint63Max) return value;
  return softDeletePattern.test(data.toString()) ? uint63Max : Number.MAX_SAFE_INTEGER;
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 ? value : undefined;
}

function jsonObject(data: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(data.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}
