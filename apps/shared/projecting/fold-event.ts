import type { ContentEvent } from '../../../projections/content-event';
import type { RowOperation } from '../../../projections/projection';
import type { ProjectionTier } from '../../../projections/tier';
import { slotOf } from '../../../domain/slot';
import { parseStreamName } from '../../../domain/stream-name';
import type { UndecodableEvent } from '../event-store/event-store';
import { covers, coversTenant, type Coverage } from '../generations/coverage';
import type { LaneEvent, Sequence } from './lane-event';

/** An event as the reader hands it on, or one that nobody can apply, with the reason. */
export type ReadableEvent = ContentEvent | UndecodableEvent;

/**
 * What an event means to a tier: the row operations of all its projections. One that cannot be decoded or folded becomes
 * poison, which stops its own sequence only. Null for a stream that is not ours.
 */
export function foldEvent(tier: ProjectionTier, event: ReadableEvent): LaneEvent | null {
  const sequence = sequenceOf(event.streamName);
  if (sequence === null) return null;
  const { id, type, position } = event;
  const { operations, poison } = operationsOf(tier, event);
  const bytes = poison === null ? bytesOf(event) : 0;
  return { id, type, position, sequence, operations, changesRows: operations.length > 0, poison, bytes };
}

/** What an event does to the rows of a tier, or why it cannot be applied; then it does nothing. */
export interface FoldedEvent {
  readonly operations: readonly RowOperation[];
  readonly poison: string | null;
}

const noOperations: readonly RowOperation[] = [];
const noEffect: FoldedEvent = { operations: noOperations, poison: null };

/** {@link foldEvent} for whoever knows the event's sequence already. */
export function operationsOf({ projections }: ProjectionTier, event: ReadableEvent): FoldedEvent {
  if ('undecodable' in event) return { operations: noOperations, poison: event.reason };
  try {
    // Of the projections of a tier mostly one has something to say, and often none: then nothing is copied.
    let operations = noOperations;
    for (const projection of projections) {
      const further = projection.project(event);
      if (further.length === 0) continue;
      operations = operations.length === 0 ? further : [...operations, ...further];
    }
    return operations.length === 0 ? noEffect : { operations, poison: null };
  } catch (error) {
    return {
      operations: noOperations,
      poison: error instanceof Error ? error.message : String(error),
    };
  }
}

/** The sequence of a stream's events; null for a stream that is not ours. */
export function sequenceOf(streamName: string): Sequence | null {
  const stream = parseStreamName(streamName);
  if (stream === null) return null;
  const { tenantId, entityId: sequenceId } = stream;
  return { tenantId, sequenceId, slot: slotOf(tenantId, sequenceId) };
}

/**
 * The part of an event that concerns a lane: the rows it covers. Poison concerns every lane of the tenant, since the
 * sequence changes rows of many slots and must stop in all of them.
 */
export function partFor(coverage: Coverage, event: LaneEvent): LaneEvent {
  const operations = event.operations.filter((operation) => covers(coverage, operation));
  const poison = coversTenant(coverage, event.sequence.tenantId) ? event.poison : null;
  if (operations.length === event.operations.length && poison === event.poison) return event;
  return { ...event, operations, poison };
}

function bytesOf(event: ReadableEvent): number {
  const content = 'content' in event ? event.content : undefined;
  if (content === undefined) return 0;
  const attachments = content.attachments.reduce((sum, attachment) => sum + attachment.content.length, 0);
  return content.raw.length + (content.text?.length ?? 0) + (content.html?.length ?? 0) + attachments;
}
