import type { NodeAddress } from './connection-settings';

// What calls of our own end with; those of the official client are in client-errors.ts.

export const grpcUnavailable = 14;

/** Our own time limit ran out: the client ignores `deadline` on reads, and on batch appends too (event-store.md §2.3). */
export class CallTimedOut extends Error {
  constructor(timeoutMs: number) {
    super(`the event store did not answer within ${timeoutMs} ms`);
    this.name = 'CallTimedOut';
  }
}

/** A gRPC call of our own ended with a status other than OK. */
export class CallFailed extends Error {
  /** Where a node that is not the leader says the leader is. */
  readonly leader: NodeAddress | null;

  constructor(
    readonly code: number,
    message: string,
    options: ErrorOptions & { leader?: NodeAddress | null } = {},
  ) {
    super(message, options);
    this.name = 'CallFailed';
    this.leader = options.leader ?? null;
  }

  static fromTrailers(code: number, trailers: Readonly<Record<string, unknown>>): CallFailed {
    const text = (name: string): string => {
      const value = trailers[name];
      return typeof value === 'string' ? value : '';
    };
    const reason = decodeURIComponent(text('grpc-message').replace(/%(?![0-9A-Fa-f]{2})/g, '%25'));
    const leader = { address: text('leader-endpoint-host'), port: Number(text('leader-endpoint-port')) };
    return new CallFailed(code, `the event store answers ${code}: ${reason}`, {
      leader: text('exception') === 'not-leader' ? leader : null,
    });
  }
}
