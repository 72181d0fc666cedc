import type { ClientBase, Pool } from 'pg';

/**
 * Runs a long statement of `client`; an abort ends it on the server by a second connection of the pool, so that a build of
 * minutes stops within one of its checks. Throws the reason of the abort then, else what the statement throws.
 */
export async function onAbortCancel(
  pool: Pool,
  client: ClientBase,
  signal: AbortSignal,
  statement: () => Promise<unknown>,
): Promise<void> {
  signal.throwIfAborted();
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  let cancelling: Promise<unknown> | undefined;
  const cancel = (): void => {
    // A server that cannot be reached is not working for us either.
    cancelling = pool.query('select pg_cancel_backend($1)', [rows[0]?.pid]).catch(() => undefined);
  };
  signal.addEventListener('abort', cancel, { once: true });
  try {
    await statement();
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
    // Else it could hit the next statement of this connection.
    await cancelling;
  }
}
