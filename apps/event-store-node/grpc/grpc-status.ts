/** The gRPC status codes this node answers with. */
export const grpcCode = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/**
 * Ends a call with a status other than OK. `trailers` carry what the client keys on: `exception` and its properties
 * (event-store.md §4, gRPC errors in trailers).
 */
export class GrpcError extends Error {
  override readonly name = 'GrpcError';
  constructor(
    readonly code: number,
    message: string,
    readonly trailers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
  }
}

export function streamDeletedError(streamName: string): GrpcError {
  return new GrpcError(grpcCode.failedPrecondition, `Event stream '${asHeader(streamName)}' is deleted.`, {
    exception: 'stream-deleted',
    'stream-name': asHeader(streamName),
  });
}

export const unavailableError = (): GrpcError =>
  new GrpcError(grpcCode.unavailable, 'The node is not available.');

/** Without `exception`, as a real node answers a wrong user or password. */
export const unauthenticatedError = (): GrpcError =>
  new GrpcError(grpcCode.unauthenticated, 'The user or the password is wrong.');

export const accessDeniedError = (): GrpcError =>
  new GrpcError(grpcCode.permissionDenied, 'Access Denied', { exception: 'access-denied' });

/** Header values are visible ASCII; anything else is percent-encoded, as gRPC does with messages. */
export function asHeader(text: string): string {
  return text.replace(/[^ -~]|%/gu, (char) =>
    [...Buffer.from(char)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}
