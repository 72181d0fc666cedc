import { types } from 'node:util';
import { DatabaseError } from 'pg';

/**
 * Classes of SQLSTATE that a later try may not meet: connection (08), serialisation and deadlock (40), resources (53),
 * shutdown and crash recovery (57P).
 */
const transientSqlState = /^(08|40|53|57P)/;

/** What the socket says. ENOENT: a Unix socket whose server is down. */
const transientSystemCodes = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOENT'],
  ...['EHOSTUNREACH', 'ENETUNREACH', 'EAI_AGAIN'],
]);

/** pg 8 gives these no code. */
const transientTexts =
  /^(Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Client was closed)/;

/** Whether the same call may succeed later with nothing changed. A constraint or a syntax error never does. */
export function isTransient(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isTransient);
  // Not instanceof: errors of sockets come from another realm where a test runner isolates its files.
  if (!types.isNativeError(error)) return false;
  if (error instanceof DatabaseError) return transientSqlState.test(error.code ?? '');
  const code = (error as NodeJS.ErrnoException).code;
  return (code !== undefined && transientSystemCodes.has(code)) || transientTexts.test(error.message);
}

/** Whether the connection the error came over is beyond use. A server's own answer (SQLSTATE) leaves it usable. */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof DatabaseError) return /^(08|57P)/.test(error.code ?? '');
  return isTransient(error);
}
