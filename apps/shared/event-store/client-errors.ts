import {
  AccessDeniedError,
  MaxAppendSizeExceededError,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedVersionError,
} from '@eventstore/db-client';

/** Our own time limit ran out: the client ignores `deadline` on reads, and on batch appends too (event-store.md §2.3). */
export class CallTimedOut extends Error {
  constructor(timeoutMs: number) {
    super(`the event store did not answer within ${timeoutMs} ms`);
    this.name = 'CallTimedOut';
  }
}

/** The connection was given up while this call was under way: what became of it is unknown. */
export class ClientDiscarded extends Error {
  constructor() {
    super('the connection to the event store was replaced');
    this.name = 'ClientDiscarded';
  }
}

/** Answers that another try cannot change. All else is worth one, with the same ids at the same revision. */
export function isFinalAnswer(error: unknown): boolean {
  return (
    error instanceof WrongExpectedVersionError ||
    error instanceof StreamDeletedError ||
    error instanceof StreamNotFoundError ||
    error instanceof AccessDeniedError ||
    error instanceof MaxAppendSizeExceededError
  );
}

/**
 * A client object can be poisoned for good by one failed discovery, and then fails without a `type`
 * (event-store.md §4.2): such a client is thrown away, and so is one that went silent.
 */
export function spoilsTheClient(error: unknown): boolean {
  if (error instanceof ClientDiscarded) return false;
  return error instanceof CallTimedOut || !(error instanceof Error && 'type' in error);
}
