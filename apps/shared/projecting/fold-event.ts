import type { ContentEvent } from '../../../projections/content-event';
import type { ProjectionTier } from '../../../projections/tier';
import { slotOf } from '../../../domain/slot';
import { parseStreamName } from '../../../domain/stream-name';
import type { UndecodableEvent } from '../event-store/event-store';
import { covers, type Coverage } from '../generations/coverage';
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
  const known = { id, type, position, sequence, bytes: 0 };
  if ('undecodable' in event) return { ...known, operations: [], poison: event.reason };
  try {
    const operations = tier.projections.flatMap((projection) => projection.project(event));
    return { ...known, operations, poison: null, bytes: bytesOf(event) };
  } catch (error) {
    return { ...known, operations: [], poison: error instanceof Error ? error.message : String(error) };
  }
}

/** The part of an event that concerns a lane: the rows it covers, and poison if it covers the sequence. */
export function partFor(coverage: Coverage, event: LaneEvent): LaneEvent {
  const operations = event.operations.filter((operation) => covers(coverage, operation));
  if (operations.length === event.operations.length && event.poison === null) return event;
  const isOurs = covers(coverage, event.sequence);
  return { ...event, operations, poison: isOurs ? event.poison : null };
}

function bytesOf({ content }: ContentEvent): number {
  if (content === undefined) return 0;
  const attachments = content.attachments.reduce((sum, attachment) => sum + attachment.content.length, 0);
  return content.raw.length + (content.text?.length ?? 0) + (content.html?.length ?? 0) + attachments;
}
