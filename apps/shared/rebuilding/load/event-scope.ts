import type { RowOperation } from '../../../../projections/projection';
import type { ProjectionTier } from '../../../../projections/tier';
import { covers, holds, type Coverage, type SlotRange } from '../../generations/coverage';
import { operationsOf, sequenceOf, type ReadableEvent } from '../../projecting/fold-event';
import type { Sequence } from '../../projecting/lane-event';
import type { Poison, StoppedSequence } from '../contracts';

/** Which rows a unit of the load writes, and which sequences have no effect in them. */
export interface FoldScope {
  readonly tier: ProjectionTier;
  readonly slots: SlotRange;
  /** Of the targets that the rows are for. */
  readonly coverages: readonly Coverage[];
  readonly stopped: readonly StoppedSequence[];
}

/** What an event does to the rows in scope. */
export interface ScopedEvent {
  readonly event: ReadableEvent;
  readonly sequence: Sequence;
  readonly operations: readonly RowOperation[];
}

/**
 * Takes from each event what concerns the rows in scope, and keeps the events of a sequence out from its poison on, as lanes
 * do (lane.ts). Rows of written-once tables are in no scope: the scan has copied them.
 */
export class EventScope {
  /** The first of every sequence that was found to be poison, in log order. */
  readonly poison: Poison[] = [];
  private readonly stopped: Map<string, bigint>;
  private readonly takesAll: boolean;

  constructor(private readonly scope: FoldScope) {
    this.stopped = new Map(scope.stopped.map((stopped) => [nameOf(stopped), stopped.position]));
    this.takesAll = scope.coverages.some(({ tenantId, except }) => tenantId === null && except.length === 0);
  }

  /** Null: it has no effect here. */
  take(event: ReadableEvent): ScopedEvent | null {
    const sequence = sequenceOf(event.streamName);
    if (sequence === null || this.isStopped(sequence, event.position)) return null;
    const { operations: all, poison } = operationsOf(this.scope.tier, event);
    const operations = all.filter((operation) => this.takes(operation));
    // What row-level security says to lanes: an event writes rows of the tenant of its stream.
    const isForeign = operations.some(({ tenantId }) => tenantId !== sequence.tenantId);
    const reason = poison ?? (isForeign ? 'it reaches for a row of another tenant' : null);
    if (reason === null) return operations.length === 0 ? null : { event, sequence, operations };
    this.stop(event, sequence, reason);
    return null;
  }

  isStopped(sequence: Sequence, position: bigint): boolean {
    if (this.stopped.size === 0) return false;
    const from = this.stopped.get(nameOf(sequence));
    return from !== undefined && position >= from;
  }

  stop({ id, type, streamName, position }: ReadableEvent, sequence: Sequence, reason: string): void {
    this.stopped.set(nameOf(sequence), position);
    const { tier } = this.scope.tier;
    this.poison.push({ tier, eventId: id, eventType: type, streamName, position, reason });
  }

  private takes(operation: RowOperation): boolean {
    if (operation.table.isWrittenOnce === true || !holds(this.scope.slots, operation.slot)) return false;
    return this.takesAll || this.scope.coverages.some((coverage) => covers(coverage, operation));
  }
}

function nameOf({ tenantId, sequenceId }: { tenantId: string; sequenceId: string }): string {
  return `${tenantId}/${sequenceId}`;
}
