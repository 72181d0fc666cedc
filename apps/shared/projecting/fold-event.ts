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
  const stream = parseStreamName(event.streamName);
  if (stream === null) return null;
  const { tenantId, entityId: sequenceId } = stream;
  const sequence: Sequence = { tenantId, sequenceId, slot: slotOf(tenantId, sequenceId) };
  const { id, type, position } = event;
  const known = { id, type, position, sequence, bytes: 0, changesRows: false };
  if ('undecodable' in event) return { ...known, operations: [], poison: event.reason };
  try {
    const operations: RowOperation[] = [];
    for (const projection of tier.projections)
      for (const operation of projection.project(event)) operations.push(operation);
    return { ...known, operations, changesRows: operations.length > 0, poison: null, bytes: bytesOf(event) };
  } catch (error) {
    return { ...known, operations: [], poison: error instanceof Error ? error.message : String(error) };
  }
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

function bytesOf({ content }: ContentEvent): number {
  if (content === undefined) return 0;
  const attachments = content.attachments.reduce((sum, attachment) => sum + attachment.content.length, 0);
  return content.raw.length + (content.text?.length ?? 0) + (content.html?.length ?? 0) + attachments;
}
