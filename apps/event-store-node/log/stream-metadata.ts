import { uint63Max } from '../../shared/protobuf/protobuf-reader';

/** The truncation rules of a stream, as its `$$` stream states them. Absent or senseless values do not count. */
export interface StreamMetadata {
  /** Events below this revision are hidden; {@link uint63Max} means deleted. */
  readonly truncateBefore: number | undefined;
  readonly maxCount: number | undefined;
  readonly maxAgeMs: number | undefined;
}

export const noMetadata: StreamMetadata = {
  truncateBefore: undefined,
  maxCount: undefined,
  maxAgeMs: undefined,
};

/** What a soft delete writes. Literal, because no double holds 2^63 - 1 (event-store.md §4, Delete). */
export const softDeleteMetadata = Buffer.from('{"$tb":9223372036854775807}');

/** Reads stream metadata; data that is not a JSON object means no rules. */
export function parseStreamMetadata(data: Buffer): StreamMetadata {
  const document = jsonObject(data);
  const maxAgeS = positive(document['$maxAge']);
  return {
    truncateBefore: positive(document['$tb']),
    maxCount: positive(document['$maxCount']),
    maxAgeMs: maxAgeS === undefined ? undefined : maxAgeS * 1000,
  };
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

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.floor(value) : undefined;
}

function jsonObject(data: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(data.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}
