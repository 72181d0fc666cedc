import { deserialize, serialize } from 'node:v8';
import type { ProjectedEvent } from '../../../../projections/projection';
import type { ReadableEvent } from '../../projecting/fold-event';

// An event of the spool is a JSON array: to write one and to read it back takes half the time of node:v8.
type Head = [tiers: number, id: string, streamName: string, type: string, revision: number, position: string];
type Spooled =
  | [...Head, metadata: ProjectedEvent['metadata'], data: unknown]
  | [...Head, metadata: ProjectedEvent['metadata'], data: unknown, content: string]
  | [...Head, reason: string];

const poisonLength = 7;
const contentIndex = 8;

/**
 * One line of the spool. Everything of an event, decoded and unsealed, goes in, its content too where it carries any.
 * @param tiers bit n is set where tier n of the run needs the event.
 */
export function spooledText(tiers: number, event: ReadableEvent): string {
  const { id, streamName, type, revision, position } = event;
  const head: Head = [tiers, id, streamName, type, revision, position.toString()];
  if ('undecodable' in event) return JSON.stringify([...head, event.reason]);
  const body = [...head, event.metadata, event.data];
  if (event.content !== undefined) body.push(serialize(event.content).toString('base64'));
  return JSON.stringify(body);
}

/** The events of a block that tier `tier` needs, in their order. */
export function spooledEvents(block: string, tier: number): ReadableEvent[] {
  const events: ReadableEvent[] = [];
  for (const spooled of JSON.parse(block) as Spooled[])
    if ((spooled[0] & (1 << tier)) !== 0) events.push(eventOf(spooled));
  return events;
}

function eventOf(spooled: Spooled): ReadableEvent {
  const [, id, streamName, type, revision, position, ...body] = spooled;
  const known = { id, streamName, type, revision, position: BigInt(position) };
  if (spooled.length === poisonLength) return { ...known, undecodable: true, reason: body[0] as string };
  const [metadata, data] = body;
  const event = { ...known, metadata, data } as ReadableEvent;
  const content = spooled[contentIndex];
  return content === undefined
    ? event
    : ({ ...event, content: deserialize(Buffer.from(content, 'base64')) as unknown } as ReadableEvent);
}
