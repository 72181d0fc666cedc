import { deserialize, serialize } from 'node:v8';
import type { ProjectedEvent } from '../../../../projections/projection';
import type { ReadableEvent } from '../../projecting/fold-event';

// An event of the spool is a JSON array: to write one and to read it back takes half the time of node:v8.
type Head = [id: string, streamName: string, type: string, revision: number, position: string];
type Spooled =
  | [...Head, metadata: ProjectedEvent['metadata'], data: unknown]
  | [...Head, metadata: ProjectedEvent['metadata'], data: unknown, content: string]
  | [...Head, reason: string];

const poisonLength = 6;
const contentIndex = 7;

/** Everything of an event, decoded and unsealed, its content too where it carries any. */
export function spooledText(event: ReadableEvent): string {
  const { id, streamName, type, revision, position } = event;
  const head: Head = [id, streamName, type, revision, position.toString()];
  if ('undecodable' in event) return JSON.stringify([...head, event.reason]);
  const body = [...head, event.metadata, event.data];
  if (event.content !== undefined) body.push(serialize(event.content).toString('base64'));
  return JSON.stringify(body);
}

/** The events of a block, in their order. */
export function spooledEvents(block: string): ReadableEvent[] {
  return (JSON.parse(block) as Spooled[]).map(eventOf);
}

function eventOf(spooled: Spooled): ReadableEvent {
  const [id, streamName, type, revision, position, ...body] = spooled;
  const known = { id, streamName, type, revision, position: BigInt(position) };
  if (spooled.length === poisonLength) return { ...known, undecodable: true, reason: body[0] as string };
  const [metadata, data] = body;
  const event = { ...known, metadata, data } as ReadableEvent;
  const content = spooled[contentIndex];
  return content === undefined
    ? event
    : ({ ...event, content: deserialize(Buffer.from(content, 'base64')) as unknown } as ReadableEvent);
}
