import { z } from 'zod';
import { portVariable, sharedVariables } from '../shared/config/databases';

/** Everything the query API takes from its environment. */
export const queryApiVariables = z.object({
  HOST: z.string().default('127.0.0.1'),
  QUERY_API_PORT: portVariable(4002),
  CONTROL_DATABASE_URL: sharedVariables.CONTROL_DATABASE_URL,
  OLTP_DATABASE_URL: sharedVariables.OLTP_DATABASE_URL,
  CONTENT_DATABASE_URL: sharedVariables.CONTENT_DATABASE_URL,
  OLAP_DATABASE_URL: sharedVariables.OLAP_DATABASE_URL,
  REDIS_URL: sharedVariables.REDIS_URL,
  /** With it an operator may read as any tenant (access/operator.ts); proofs compare generations that way. */
  MAILFOLD_ADMIN_KEY: z.string().min(24, 'at least 24 characters').optional(),
  /** How long a read with ?after waits for its position before it answers 503. */
  AFTER_WAIT_MAX_MS: z.coerce.number().int().min(0).max(30_000).default(2_000),
  /** Bound on one read of a database; the answer is 503 after it. */
  READ_TIMEOUT_MS: z.coerce.number().int().min(100).max(60_000).default(3_000),
  /** Connections to each tier; more only queue in the database instead of here (performance.md 2d). */
  TIER_CONNECTIONS_MAX: z.coerce.number().int().min(1).max(100).default(8),
});

export type QueryApiConfig = z.infer<typeof queryApiVariables>;
