import type { EventStoreDBClient } from '@eventstore/db-client';
import { BatchAppendReq } from '@eventstore/db-client/generated/streams_pb';

interface Channel {
  close(): void;
}

interface ReplyStream {
  on(event: string, listener: (value: unknown) => void): unknown;
}

interface GrpcClient {
  batchAppend(...options: unknown[]): ReplyStream;
}

type StreamCreator = (client: GrpcClient) => ReplyStream;

/** What we touch of the inside of the client, 6.2.1; what for is told below. Tests notice when it is no longer there. */
interface ClientInternals {
  createChannel(): Promise<Channel>;
  GRPCStreamCreator(service: unknown, name: string, create: StreamCreator, cache?: unknown): unknown;
}

/**
 * Keeps hold of the connections that the client makes: its own `dispose()` cancels calls and leaves connections open.
 * Returns the way to close them, also the one it may still be making.
 */
export function trackChannels(client: EventStoreDBClient): () => void {
  const internals = client as unknown as ClientInternals;
  const createChannel = internals.createChannel.bind(internals);
  const channels: Channel[] = [];
  let isClosed = false;
  internals.createChannel = async () => {
    const channel = await createChannel();
    if (isClosed) channel.close();
    else channels.push(channel);
    return channel;
  };
  return () => {
    isClosed = true;
    for (const channel of channels) channel.close();
  };
}

/**
 * Lets a reply pass that nobody waits for any more. The end of one call for appends rejects the pending appends of all of
 * them, of other clients and other connections too, and forgets them; a reply to one of those, coming later on its own
 * call, would throw inside the client, past everybody (event-store.md §2.3). Its append has been repeated by then.
 */
export function forgiveLateReplies(client: EventStoreDBClient): void {
  const internals = client as unknown as ClientInternals;
  const createStream = internals.GRPCStreamCreator.bind(internals);
  internals.GRPCStreamCreator = (service, name, create, cache) =>
    createStream(
      service,
      name,
      name === 'appendToStream' ? (grpc) => create(forgiving(grpc)) : create,
      cache,
    );
}

function forgiving(grpc: GrpcClient): GrpcClient {
  return {
    batchAppend: (...options) => {
      const stream = grpc.batchAppend(...options);
      const on = stream.on.bind(stream);
      stream.on = (event, listener) => on(event, event === 'data' ? unlessForgotten(listener) : listener);
      return stream;
    },
  };
}

/** The client looks up what a reply belongs to first of all, so that nothing else has happened when that fails. */
function unlessForgotten(listener: (reply: unknown) => void): (reply: unknown) => void {
  return (reply) => {
    try {
      listener(reply);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  };
}

/** The setters of bytes in generated messages: base64 is theirs to decode. */
type BytesSetters = Record<
  'setData' | 'setCustomMetadata',
  (this: object, value: Uint8Array | string) => object
>;

let decodesNatively = false;

/**
 * Has Node decode the bodies of events. The client hands them to its messages as base64, which these decode twice per event,
 * byte by byte in JavaScript: a third of what an append of 1 kB costs the process, more than half per event of a hundred. Given
 * bytes they decode nothing; what goes over the wire is the same. Once per process, for all clients.
 */
export function decodeBodiesNatively(): void {
  if (decodesNatively) return;
  decodesNatively = true;
  const event = BatchAppendReq.ProposedMessage.prototype as unknown as BytesSetters;
  for (const name of ['setData', 'setCustomMetadata'] as const) {
    const set = event[name];
    event[name] = function (value) {
      return set.call(this, typeof value === 'string' ? Buffer.from(value, 'base64') : value);
    };
  }
}
