import { escapeLiteral, type Pool, type PoolClient } from 'pg';
import { isConnectionLost } from './transient-error';

export interface TransactionOptions {
  readonly isolation?: 'read committed' | 'repeatable read' | 'serializable';
  readonly readOnly?: boolean;
}

/**
 * Runs `work` in one transaction: COMMIT when it returns, ROLLBACK when it throws. When the connection is lost during
 * COMMIT the outcome is unknown to the caller, who must find it out by what `work` wrote (a checkpoint, a command id).
 */
export async function inTransaction<T>(
  pool: Pool,
  work: (client: PoolClient) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  return runTransaction(pool, begin(options), work);
}

/** As {@link inTransaction}, seeing the rows of one tenant only (row-level security, reliability.md B2). */
export async function withTenant<T>(
  pool: Pool,
  tenantId: string,
  work: (client: PoolClient) => Promise<T>,
  options: TransactionOptions = {},
): Promise<T> {
  // In one message with BEGIN: a round trip per request is most of what row-level security costs.
  const setTenant = `select set_config('app.tenant_id', ${escapeLiteral(tenantId)}, true)`;
  return runTransaction(pool, `${begin(options)}; ${setTenant}`, work);
}

function begin({ isolation, readOnly }: TransactionOptions): string {
  return ['begin', isolation && `isolation level ${isolation}`, readOnly && 'read only']
    .filter(Boolean)
    .join(' ');
}

async function runTransaction<T>(
  pool: Pool,
  opening: string,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let result: T;
  try {
    await client.query(opening);
    result = await work(client);
    const { command } = await client.query('commit');
    // PostgreSQL answers COMMIT of a failed transaction with ROLLBACK and no error: `work` has swallowed one.
    if (command !== 'COMMIT') throw new Error('The transaction had failed before COMMIT and was rolled back');
  } catch (error) {
    client.release(!(await rolledBack(client, error)));
    throw error;
  }
  client.release();
  return result;
}

/** False when the connection must not be used again: a session in an unknown state could serve another tenant. */
async function rolledBack(client: PoolClient, cause: unknown): Promise<boolean> {
  if (isConnectionLost(cause)) return false;
  try {
    await client.query('rollback');
    return true;
  } catch {
    return false;
  }
}
