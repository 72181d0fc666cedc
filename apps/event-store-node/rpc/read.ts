import type { GrpcCall } from '../grpc/grpc-call';
import { GrpcError, grpcCode } from '../grpc/grpc-status';
import type { LogReader } from '../storage/log-reader';
import { eventFilter } from '../subscriptions/event-filter';
import { readAll } from '../subscriptions/read-all';
import { readStream } from '../subscriptions/read-stream';
import { subscribeToAll } from '../subscriptions/subscribe-all';
import { subscribeToStream } from '../subscriptions/subscribe-stream';
import { readReadRequest } from '../wire/read-messages';

/** Streams/Read: reads and catch-up subscriptions, of one stream or of `$all`. */
export function readHandler(reader: LogReader) {
  return async (call: GrpcCall): Promise<void> => {
    const request = readReadRequest(await call.message());
    const { streamName } = request;
    const isSubscription = request.countMax === undefined;
    if (isSubscription && request.backwards)
      throw new GrpcError(grpcCode.invalidArgument, 'A subscription cannot run backwards.');
    if (streamName === undefined) {
      const filter = request.filter === undefined ? undefined : eventFilter(request.filter);
      await (isSubscription ? subscribeToAll : readAll)(call, reader, request, filter);
    } else {
      if (streamName === '') throw new GrpcError(grpcCode.invalidArgument, 'The stream name is empty.');
      await (isSubscription ? subscribeToStream : readStream)(call, reader, request, streamName);
    }
    call.end();
  };
}
