import {
  type AllStreamRecordedEvent,
  type AllStreamSubscription,
  type EventStoreDBClient,
  type Position,
  type ReadStreamOptions,
  type StreamSubscription,
} from '@eventstore/db-client';
import { appendTypes, newStream } from './servers';

/** The types of a stream's events, joined. */
export async function typesOf(
  client: EventStoreDBClient,
  stream: string,
  options: ReadStreamOptions = {},
): Promise<string> {
  let text = '';
  for await (const { event } of client.readStream(stream, options)) text += event?.type ?? '';
  return text;
}

/** A position of now, from which the test's own events are not far away: that of an event in a stream of its own. */
export async function positionNow(client: EventStoreDBClient): Promise<Position> {
  const { position } = await appendTypes(client, newStream(), 'x');
  if (position === undefined) throw new Error('The append was answered without a position');
  return position;
}

/** What `$all` holds after `position`, as far as it is written when this is called. */
export async function allAfter(
  client: EventStoreDBClient,
  position: Position,
): Promise<AllStreamRecordedEvent[]> {
  const events: AllStreamRecordedEvent[] = [];
  for await (const { event } of client.readAll({ fromPosition: position }))
    if (event !== undefined && event.position.commit > position.commit) events.push(event);
  return events;
}

/** The same, of one stream. */
export async function allOf(
  client: EventStoreDBClient,
  stream: string,
  position: Position,
): Promise<AllStreamRecordedEvent[]> {
  return (await allAfter(client, position)).filter((event) => event.streamId === stream);
}

export interface Followed {
  readonly types: string[];
  readonly revisions: bigint[];
  readonly positions: bigint[];
  readonly errors: unknown[];
  caughtUps: number;
  fellBehinds: number;
  stop(): Promise<void>;
}

/** Collects what a subscription delivers; of `$all` only what lies in streams that `wants` names. */
export function follow(
  subscription: AllStreamSubscription | StreamSubscription,
  wants: (stream: string) => boolean = () => true,
): Followed {
  const followed: Followed = {
    ...{ types: [], revisions: [], positions: [], errors: [], caughtUps: 0, fellBehinds: 0 },
    stop: () => subscription.unsubscribe(),
  };
  type Delivered = { event?: { type: string; streamId: string; revision: bigint; position?: Position } };
  subscription.on('data', ({ event }: Delivered) => {
    if (event === undefined || !wants(event.streamId)) return;
    followed.types.push(event.type);
    followed.revisions.push(event.revision);
    if (event.position !== undefined) followed.positions.push(event.position.commit);
  });
  subscription.on('error', (error: unknown) => followed.errors.push(error));
  subscription.on('caughtUp', () => (followed.caughtUps += 1));
  subscription.on('fellBehind', () => (followed.fellBehinds += 1));
  return followed;
}

/** What a promise is rejected with. Throws if it is not. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in outcome) return outcome.error;
  throw new Error('The call succeeded, and should have failed');
}
