/** What a writer believes about the stream. */
export type ExpectedRevision =
  | { readonly kind: 'any' }
  | { readonly kind: 'noStream' }
  | { readonly kind: 'streamExists' }
  | { readonly kind: 'exact'; readonly revision: number };

export interface EventIdentity {
  readonly id: string;
  readonly position: number;
}

/** What the rules need to know of a stream. Revisions count from 0; `last` is -1 before the first event. */
export interface StreamView {
  readonly last: number;
  readonly tombstoned: boolean;
  readonly softDeleted: boolean;
  readonly hasMetadata: boolean;
  /** `undefined` where nothing is stored, or too long ago for the caller to have loaded it. */
  eventAt(revision: number): EventIdentity | undefined;
  /** Last revision that carries this id, among the recent ones. */
  revisionOf(id: string): number | undefined;
}

export type AppendDecision =
  | { readonly kind: 'write' }
  | { readonly kind: 'alreadyWritten'; readonly revision: number; readonly position: number | undefined }
  | { readonly kind: 'wrongExpectedVersion' }
  | { readonly kind: 'streamDeleted' };

const write: AppendDecision = { kind: 'write' };
const wrongExpectedVersion: AppendDecision = { kind: 'wrongExpectedVersion' };
const streamDeleted: AppendDecision = { kind: 'streamDeleted' };
/** Equal to no event's id. */
const newId = '';

/**
 * The revision check of event-store.md §4, in its order. `ids` are those of the proposed events; content is never compared.
 */
export function decideAppend(
  stream: StreamView,
  expected: ExpectedRevision,
  ids: readonly string[],
): AppendDecision {
  if (stream.tombstoned) return streamDeleted;
  switch (expected.kind) {
    case 'any':
      return stream.softDeleted ? write : unlessKnown(stream, ids);
    case 'streamExists':
      if (stream.softDeleted) return streamDeleted;
      if (stream.last < 0 && !stream.hasMetadata) return wrongExpectedVersion;
      return unlessKnown(stream, ids);
    case 'noStream':
      return stream.softDeleted ? recreate(stream, ids) : after(stream, -1, ids);
    case 'exact':
      if (stream.softDeleted && expected.revision !== stream.last) return wrongExpectedVersion;
      return after(stream, expected.revision, ids);
  }
}

/** A delete compares as an append of one new event does; but a stream of nothing cannot be deleted. */
export function decideDelete(stream: StreamView, expected: ExpectedRevision): AppendDecision {
  if (!stream.tombstoned && stream.last < 0 && !stream.hasMetadata) return wrongExpectedVersion;
  return decideAppend(stream, expected, [newId]);
}

/** Unlike a soft delete, a tombstone may close a stream that never was. */
export function decideTombstone(stream: StreamView, expected: ExpectedRevision): AppendDecision {
  return decideAppend(stream, expected, [newId]);
}

function after(stream: StreamView, revision: number, ids: readonly string[]): AppendDecision {
  if (revision === stream.last) return write;
  if (revision > stream.last || ids.length === 0) return wrongExpectedVersion;
  return repetition(stream, revision + 1, ids) ?? wrongExpectedVersion;
}

/**
 * Without a revision to compare at, ids count as known wherever in the stream they are, and the answer is that of the last
 * one proposed. Where that is not next to the first or later, a real node never answers; here it is refused.
 */
function unlessKnown(stream: StreamView, ids: readonly string[]): AppendDecision {
  let first: number | undefined;
  let last: number | undefined;
  for (const id of ids) {
    last = stream.revisionOf(id);
    if (last === undefined) return first === undefined ? write : wrongExpectedVersion;
    first ??= last;
  }
  if (first === undefined || last === undefined) return write;
  if (last < first - 1) return wrongExpectedVersion;
  return { kind: 'alreadyWritten', revision: last, position: stream.eventAt(last)?.position };
}

function recreate(stream: StreamView, ids: readonly string[]): AppendDecision {
  // Nothing to compare and nothing to write: what is left of NO_STREAM is that there were no events, ever.
  if (ids.length === 0) return stream.last < 0 ? write : wrongExpectedVersion;
  const repeated = repetition(stream, 0, ids);
  return repeated === undefined ? write : { ...repeated, position: undefined };
}

function repetition(
  stream: StreamView,
  from: number,
  ids: readonly string[],
): Extract<AppendDecision, { kind: 'alreadyWritten' }> | undefined {
  let last: EventIdentity | undefined;
  for (const [index, id] of ids.entries()) {
    last = stream.eventAt(from + index);
    if (last?.id !== id) return undefined;
  }
  if (last === undefined) return undefined;
  return { kind: 'alreadyWritten', revision: from + ids.length - 1, position: last.position };
}
