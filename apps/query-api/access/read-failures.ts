import { DatabaseError } from 'pg';
import { notFound, unavailable, type ProblemError } from '../../shared/http/problem';
import { UnsafeDatabase } from '../../shared/postgres/self-check';
import { isTransient } from '../../shared/postgres/transient-error';
import { PositionNotReached, TierUnavailable, UnknownGeneration } from '../reading/read-tier';
import { tableGone } from '../reading/tier-database';

/** Statement timeout, and a generation that went away twice in one request. */
const worthAnotherTry = new Set(['57014', ...tableGone]);

/** What a read cannot help: 503, so that the client comes back. Null for anything else, which is a fault of ours. */
export function readFailure(error: unknown): ProblemError | null {
  if (error instanceof PositionNotReached || error instanceof TierUnavailable)
    return unavailable(`${error.message}.`);
  if (error instanceof UnknownGeneration) return notFound('generation');
  if (error instanceof UnsafeDatabase)
    return unavailable('A database is not set up safely, so nothing is read from it.');
  const isSlow = error instanceof DatabaseError && worthAnotherTry.has(error.code ?? '');
  return isSlow || isTransient(error) ? unavailable('A database is away or too slow.') : null;
}
