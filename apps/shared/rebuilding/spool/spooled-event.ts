import { deserialize, serialize } from 'node:v8';
import type { ProjectedEvent } from '../../../../projections/projection';
import type { ReadableEvent } from '../../projecting/fold-event';

// An event of the spool is a JSON array: to write one and to read it back takes half the time of node:v8. A position is a
// number as long as a number holds it.
type Head = [id: string, streamName: string, type: string, revision: number, position: number | string];
type Spooled =
  | [...Head, metadata: ProjectedEvent['metadata'], data: unknown]
  | [...Head, metadata: ProjectedEvent['metadata'], data: unknown, content: string]
  | [...Head, reason: string];

const poisonLength = 6;
const contentIndex = 7;

/** Everything of an event, decoded and unsealed, its content too where it carries any. */
export function spooledText(event: ReadableEvent): string {
  const { id, streamName, type, revision } = event;
  const position = event.position <= safePositionMax ? Number(event.position) : event.position.toString();
  if ('undecodable' in event)
    return JSON.stringify([id, streamName, type, revision, position, event.reason] satisfies Spooled);
  const { metadata, data, content } = event;
  if (content === undefined)
    return JSON.stringify([id, streamName, type, revision, position, metadata, data] satisfies Spooled);
  const packed = serialize(content).toString('base64');
  return JSON.stringify([id, streamName, type, revision, position, metadata, data, packed] satisfies Spooled);
}

const safePositionMax = BigInt(Number.MAX_SAFE_INTEGER);

/** The events of a block, in their order. */
export function spooledEvents(block: string): ReadableEvent[] {
  return (JSON.parse(block) as Spooled[]).map(eventOf);
}

function eventOf(spooled: Spooled): ReadableEvent {
  const [id, streamName, type, revision] = spooled;
  const position = BigInt(spooled[4]);
  if (spooled.length === poisonLength)
    return { id, streamName, type, revision, position, undecodable: true, reason: spooled[5] };
  const [, , , , , metadata, data] = spooled;
  const event = { id, streamName, type, revision, position, metadata, data } as ReadableEvent;
  const content = spooled[contentIndex];
  return content === undefined
    ? event
    : ({ ...event, content: deserialize(Buffer.from(content, 'base64')) as unknown } as ReadableEvent);
}
