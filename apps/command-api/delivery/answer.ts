import type { FastifyReply } from 'fastify';
import type { ExpectedRevision } from '../../shared/event-store/event-store';

/** Where the log stands after a command, for a client that wants to read its own write (architecture.md §8). */
export interface Written {
  readonly position: bigint | null;
  readonly revision?: ExpectedRevision;
}

/**
 * Sets `X-Log-Position`, and `ETag` where a revision is given; a read with `?after=<position>` then shows the effect.
 * Set on repeats and no-ops too, because a client that retries wants to read as well.
 */
export function answerWritten(reply: FastifyReply, { position, revision }: Written): void {
  if (position !== null) reply.header('x-log-position', position.toString());
  if (typeof revision === 'number') reply.header('etag', `"${revision}"`);
}
