import { randomUUID } from 'node:crypto';
import type { ProposedEvent } from '../wire/event-frames';
import { uint63Max } from '../../shared/protobuf/protobuf-reader';
import {
  decideAppend,
  decideDelete,
  decideTombstone,
  type AppendDecision,
  type EventIdentity,
} from './append-rules';
import type { LogOperation, OperationOutcome } from './log-operation';
import type { PlannedRow } from './log-row';
import { isSoftDeleted, softDeleteMetadata, undeletedMetadata } from './stream-metadata';
import { baseStreamOf, isMetastream, metastreamOf } from './stream-names';
import type { StreamState } from './stream-state';

/** Everything the decisions of one group may look at, loaded before the first of them. */
export interface GroupStates {
  readonly states: ReadonlyMap<string, StreamState>;
  readonly older: ReadonlyMap<LogOperation, ReadonlyMap<number, EventIdentity>>;
}

export interface PlannedOutcome {
  readonly operation: LogOperation;
  readonly outcome: OperationOutcome;
}

const noBytes = Buffer.alloc(0);

/**
 * Decides the operations of one group in their order and gives what they write its place in the log. It changes the states in place, so that
 * each decision sees the ones before it: whoever fails to commit the rows must throw the states away.
 */
export class GroupPlan {
  readonly rows: PlannedRow[] = [];
  readonly outcomes: PlannedOutcome[] = [];

  constructor(
    private readonly loaded: GroupStates,
    private nextPosition: number,
  ) {}

  add(operation: LogOperation): void {
    const { streamName } = operation.request;
    const state = this.loaded.states.get(baseStreamOf(streamName));
    if (state === undefined) throw new Error('A group was planned before its streams were loaded');
    const decision = this.decide(operation, state);
    this.outcomes.push({ operation, outcome: this.carryOut(decision, operation, state) });
  }

  private decide(operation: LogOperation, state: StreamState): AppendDecision {
    const { kind, streamName, expected, events } = operation.request;
    const view = state.view(streamName, this.loaded.older.get(operation));
    switch (kind) {
      case 'append':
        return decideAppend(
          view,
          expected,
          events.map((event) => event.id),
        );
      case 'delete':
        return decideDelete(view, expected);
      case 'tombstone':
        return decideTombstone(view, expected);
    }
  }

  private carryOut(decision: AppendDecision, operation: LogOperation, state: StreamState): OperationOutcome {
    const { streamName } = operation.request;
    switch (decision.kind) {
      case 'write':
        return this.write(operation, state);
      case 'alreadyWritten':
        return { kind: 'written', revision: decision.revision, position: decision.position };
      case 'wrongExpectedVersion':
        return { kind: 'wrongExpectedVersion', current: state.windowOf(streamName).last };
      case 'streamDeleted':
        return { kind: 'streamDeleted' };
    }
  }

  private write(operation: LogOperation, state: StreamState): OperationOutcome {
    const { kind, streamName, events } = operation.request;
    switch (kind) {
      case 'append':
        return this.append(streamName, events, state);
      case 'delete':
        return this.writeMetadata(state, softDeleteMetadata);
      case 'tombstone':
        return this.writeTombstone(streamName, state);
    }
  }

  private append(streamName: string, events: readonly ProposedEvent[], state: StreamState): OperationOutcome {
    const wasDeleted = state.softDeleted;
    const position = this.pushRow(streamName, events, state);
    const last = state.windowOf(streamName).last;
    const lastEvent = events.at(-1);
    if (isMetastream(streamName)) {
      if (lastEvent !== undefined) state.setMetadata(lastEvent.data);
      if (wasDeleted && !isSoftDeleted(state.metadata)) this.undelete(state, state.events.last + 1);
    } else if (wasDeleted) {
      // The events come first, then the metadata that shows them (event-store.md §4).
      this.undelete(state, last - events.length + 1);
    }
    return { kind: 'written', revision: last < 0 ? undefined : last, position };
  }

  private undelete(state: StreamState, truncateBefore: number): void {
    this.writeMetadata(state, undeletedMetadata(state.metadataBytes, truncateBefore));
  }

  private writeMetadata(state: StreamState, data: Buffer): OperationOutcome {
    const event = { id: randomUUID(), type: '$metadata', isJson: true, customMetadata: noBytes, data };
    const position = this.pushRow(metastreamOf(state.streamName), [event], state);
    state.setMetadata(data);
    return { kind: 'written', revision: state.metastream.last, position };
  }

  private writeTombstone(streamName: string, state: StreamState): OperationOutcome {
    const event = {
      id: randomUUID(),
      type: '$streamDeleted',
      isJson: false,
      customMetadata: noBytes,
      data: noBytes,
    };
    const position = this.nextPosition;
    this.rows.push({ position, streamName, revision: uint63Max, events: [event] });
    this.nextPosition += 1;
    state.events.tombstoned = true;
    return { kind: 'written', revision: uint63Max, position };
  }

  /** Returns the position of the append's last event. */
  private pushRow(streamName: string, events: readonly ProposedEvent[], state: StreamState): number {
    const window = state.windowOf(streamName);
    const position = this.nextPosition;
    this.rows.push({ position, streamName, revision: window.last + 1, events });
    for (const [index, { id }] of events.entries()) window.push({ id, position: position + index });
    this.nextPosition += Math.max(events.length, 1);
    return this.nextPosition - 1;
  }
}
