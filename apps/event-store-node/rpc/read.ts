import type { GrpcCall } from '../grpc/grpc-call';
import { GrpcError, grpcCode } from '../grpc/grpc-status';
import type { LogReader } from '../storage/log-reader';
import { eventFilter } from '../subscriptions/event-filter';
import { readAll } from '../subscriptions/read-all';
import { readStream } from '../subscriptions/read-stream';
import { subscribeToAll } from '../subscriptions/subscribe-all';
import { subscribeToStream } from '../subscriptions/subscribe-stream';
import { readReadRequest, type ReadRequest } from '../wire/read-messages';

/** Streams/Read: reads and catch-up subscriptions, of one stream or of `$all`. */
export function readHandler(reader: LogReader) {
  return async (call: GrpcCall): Promise<void> => {
    const request = readReadRequest(await call.message());
    checkCombination(request);
    const filter = request.filter === undefined ? undefined : eventFilter(request.filter);
    if (request.source === 'all')
      await (request.isSubscription ? subscribeToAll : readAll)(call, reader, request, filter);
    else await (request.isSubscription ? subscribeToStream : readStream)(call, reader, request);
    call.end();
  };
}

/** The protocol can say more than makes sense. */
function checkCombination(request: ReadRequest): void {
  const { source, streamName, isSubscription, countMax, backwards, filter } = request;
  if (source === undefined) throw invalid('Neither a stream nor $all is named.');
  if (source === 'stream' && streamName === '') throw invalid('The stream name is empty.');
  // PostgreSQL's text cannot hold one, so no append has made such a stream.
  if (streamName.includes('\0')) throw invalid('The stream name contains a NUL character.');
  if (source === 'stream' && filter !== undefined) throw invalid('A stream is read without a filter.');
  if (isSubscription === (countMax !== undefined))
    throw invalid('A read has a count, and a subscription has none.');
  if (isSubscription && backwards) throw invalid('A subscription cannot run backwards.');
}

function invalid(message: string): GrpcError {
  return new GrpcError(grpcCode.invalidArgument, message);
}
