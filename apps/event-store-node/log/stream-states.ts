import type { Client } from 'pg';
import { LRUCache } from 'lru-cache';
import { decodeEventFrame, eventData, splitFrames } from '../wire/event-frames';
import { lastRows, rowsAtPlaces, streamRowsBackward, type StreamPlace } from '../storage/log-queries';
import { uint63Max } from '../../shared/protobuf/protobuf-reader';
import type { EventIdentity } from './append-rules';
import type { LogOperation } from './log-operation';
import type { LogRow } from './log-row';
import type { GroupStates } from './plan-group';
import { baseStreamOf, isMetastream, metastreamOf } from './stream-names';
import { StreamState } from './stream-state';

/** Remembered events over all streams: about 100 bytes each. */
const weightMax = 500_000;
/** How far back a retry without an exact revision is recognised in a stream whose state was not in memory. */
const identitiesLoaded = 100;
/** Each may find an append of the largest size, so not all at once. */
const repetitionsPerQuery = 32;

export interface LoadedStates extends GroupStates {
  /** Streams that were taken to be new unseen: whoever commits must have the server check it. */
  readonly assumedNew: readonly string[];
}

/**
 * States of recently written streams. Anything not in it is read from the log, once per group; except where all that is
 * unknown is expected not to exist. That is believed until the commit, which checks it without a round trip of its own.
 */
export class StreamStates {
  private believesNoStream = true;

  private readonly cache = new LRUCache<string, StreamState>({
    maxSize: weightMax,
    sizeCalculation: (state) => state.weight,
  });

  /** Forget everything: what is cached includes rows that may not have been committed. */
  clear(): void {
    this.cache.clear();
  }

  async load(client: Client, operations: readonly LogOperation[]): Promise<LoadedStates> {
    const { states, assumedNew } = await this.loadStates(client, operations);
    const repetitions: Repetition[] = [];
    for (const operation of operations) {
      const state = states.get(baseStreamOf(operation.request.streamName));
      if (state === undefined || operation.request.kind !== 'append') continue;
      await loadRecentIdentities(client, operation, state);
      const place = placeOfRepetition(operation, state);
      if (place !== undefined) repetitions.push({ operation, place });
    }
    const older = await loadOlderIdentities(client, repetitions);
    return { states, older, assumedNew };
  }

  /** Puts the states of a committed group back, with their new weights. */
  keep(states: ReadonlyMap<string, StreamState>): void {
    for (const [name, state] of states) {
      state.trim();
      this.cache.set(name, state);
    }
  }

  /** A stream that was assumed to be new is not: nothing of the group was written, and its states are wrong. */
  misjudged({ states }: LoadedStates): void {
    this.believesNoStream = false;
    for (const name of states.keys()) this.cache.delete(name);
  }

  private async loadStates(
    client: Client,
    operations: readonly LogOperation[],
  ): Promise<Omit<LoadedStates, 'older'>> {
    const states = new Map<string, StreamState>();
    const unknown = new Map<string, LogOperation>();
    for (const operation of operations) {
      const name = baseStreamOf(operation.request.streamName);
      if (states.has(name) || unknown.has(name)) continue;
      const cached = this.cache.get(name);
      if (cached === undefined) unknown.set(name, operation);
      else states.set(name, cached);
    }
    if (unknown.size === 0) return { states, assumedNew: [] };
    const names = [...unknown.keys()];
    const expectedNew = names.filter((name) => expectsNoStream(unknown.get(name)));
    if (this.believesNoStream && expectedNew.length === names.length) {
      for (const name of names) states.set(name, stateFrom(name, nothingFound));
      return { states, assumedNew: names };
    }
    const rows = await lastRows(
      client,
      names.flatMap((name) => [name, metastreamOf(name)]),
    );
    const found = groupByStream(rows);
    for (const name of names) states.set(name, stateFrom(name, found));
    this.believesNoStream = !expectedNew.some((name) => found.has(name) || found.has(metastreamOf(name)));
    return { states, assumedNew: [] };
  }
}

const nothingFound: ReadonlyMap<string, readonly LogRow[]> = new Map();

function expectsNoStream(operation: LogOperation | undefined): boolean {
  const request = operation?.request;
  return (
    request?.kind === 'append' && request.expected.kind === 'noStream' && !isMetastream(request.streamName)
  );
}

function groupByStream(rows: readonly LogRow[]): Map<string, LogRow[]> {
  const groups = new Map<string, LogRow[]>();
  for (const row of rows) groups.set(row.streamName, [...(groups.get(row.streamName) ?? []), row]);
  return groups;
}

function stateFrom(name: string, found: ReadonlyMap<string, readonly LogRow[]>): StreamState {
  const rows = found.get(name) ?? [];
  const metadataRow = found.get(metastreamOf(name))?.at(-1);
  const state = new StreamState(
    name,
    lastRevision(rows.findLast((row) => row.revision < uint63Max)),
    lastRevision(metadataRow),
  );
  state.events.tombstoned = rows.some((row) => row.revision >= uint63Max);
  const frame = metadataRow === undefined ? undefined : splitFrames(metadataRow.frames).at(-1);
  if (frame !== undefined) state.setMetadata(eventData(frame));
  return state;
}

function lastRevision(row: LogRow | undefined): number {
  return row === undefined ? -1 : row.revision + row.count - 1;
}

async function loadRecentIdentities(
  client: Client,
  { request }: LogOperation,
  state: StreamState,
): Promise<void> {
  const window = state.windowOf(request.streamName);
  if (request.expected.kind !== 'any' && request.expected.kind !== 'streamExists') return;
  window.remember();
  if (window.from === 0 || window.size >= identitiesLoaded) return;
  const below = window.from - 1;
  const from = Math.max(0, window.last - identitiesLoaded + 1);
  const rows = await streamRowsBackward(client, request.streamName, below, identitiesLoaded);
  const identities = identitiesOf(rows.reverse());
  const recent = [...identities].filter(([revision]) => revision >= from && revision <= below);
  window.extendBack(recent.map(([, identity]) => identity));
}

interface Repetition {
  readonly operation: LogOperation;
  readonly place: StreamPlace;
}

async function loadOlderIdentities(
  client: Client,
  repetitions: readonly Repetition[],
): Promise<Map<LogOperation, ReadonlyMap<number, EventIdentity>>> {
  const older = new Map<LogOperation, ReadonlyMap<number, EventIdentity>>();
  for (let at = 0; at < repetitions.length; at += repetitionsPerQuery) {
    const some = repetitions.slice(at, at + repetitionsPerQuery);
    const found = await rowsAtPlaces(
      client,
      some.map(({ place }) => place),
    );
    for (const [index, { operation }] of some.entries())
      older.set(operation, identitiesOf(found[index] ?? []));
  }
  return older;
}

/** Where the ids lie that an append with an old exact revision must be compared with, if below the window. */
function placeOfRepetition({ request }: LogOperation, state: StreamState): StreamPlace | undefined {
  const { streamName, expected, events } = request;
  const window = state.windowOf(streamName);
  const revision = firstComparedRevision(expected);
  if (revision === undefined || revision > window.last || revision >= window.from || events.length === 0)
    return undefined;
  return { streamName, revision, rowsMax: events.length };
}

function firstComparedRevision(expected: LogOperation['request']['expected']): number | undefined {
  switch (expected.kind) {
    case 'noStream':
      return 0;
    case 'exact':
      return expected.revision + 1;
    case 'any':
    case 'streamExists':
      return undefined;
  }
}

function identitiesOf(rows: readonly LogRow[]): Map<number, EventIdentity> {
  const identities = new Map<number, EventIdentity>();
  for (const row of rows) {
    for (const [index, frame] of splitFrames(row.frames).entries())
      identities.set(row.revision + index, {
        id: decodeEventFrame(frame).id,
        position: row.position + index,
      });
  }
  return identities;
}
