import {
  AccessDeniedError,
  MaxAppendSizeExceededError,
  StreamDeletedError,
  StreamNotFoundError,
  WrongExpectedVersionError,
} from '@eventstore/db-client';
import { CallTimedOut } from './call-errors';

const grpcUnknown = 2;
const grpcInvalidArgument = 3;
const grpcPermissionDenied = 7;
const grpcUnauthenticated = 16;

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
    error instanceof MaxAppendSizeExceededError ||
    isAccessDenied(error)
  );
}

/** By code as well as by class: what fails before the call proper comes without a class (event-store.md §4.2). */
export function isAccessDenied(error: unknown): boolean {
  const code = codeOf(error);
  return error instanceof AccessDeniedError || code === grpcPermissionDenied || code === grpcUnauthenticated;
}

/**
 * How servers refuse a position that is no record boundary of their log (event-store.md §4, Read). A node in an election
 * answers UNKNOWN, too, and says that it is not ready.
 */
export function isInvalidPosition(error: unknown): boolean {
  const code = codeOf(error);
  if (code === grpcInvalidArgument) return true;
  return code === grpcUnknown && !/not ready/i.test((error as Error).message);
}

/**
 * A client object can be poisoned for good by one failed discovery, and then fails without a `type`
 * (event-store.md §4.2): only another object helps.
 */
export function isPoisoned(error: unknown): boolean {
  if (error instanceof ClientDiscarded || error instanceof CallTimedOut) return false;
  return !(error instanceof Error && 'type' in error);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
