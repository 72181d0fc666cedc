import { z } from 'zod';

const postgresUrl = z.string().regex(/^postgres(ql)?:\/\//, 'must be a postgresql:// URL');

/**
 * The variables several processes share. Pick the ones a process needs:
 * `z.object({ OLTP_DATABASE_URL: sharedVariables.OLTP_DATABASE_URL })`.
 */
export const sharedVariables = {
  EVENTSTORE_URL: z
    .string()
    .regex(/^(esdb|kurrentdb)(\+discover)?:\/\//, 'must be an esdb:// URL')
    .default('esdb://127.0.0.1:2113?tls=false'),
  CONTROL_DATABASE_URL: postgresUrl,
  OLTP_DATABASE_URL: postgresUrl,
  CONTENT_DATABASE_URL: postgresUrl,
  OLAP_DATABASE_URL: postgresUrl,
  QUEUE_DATABASE_URL: postgresUrl,
  KEYS_DATABASE_URL: postgresUrl,
  /** Lanes of a target that is made; projector processes share them. */
  PROJECTOR_LANES: z.coerce.number().int('must be a number').min(1).max(64).default(1),
  /** How far a rebuild steps back behind everything else on its machine (nice value). */
  REBUILD_NICENESS: z.coerce.number().int('must be a number').min(0).max(19).default(10),
  REDIS_URL: z
    .string()
    .regex(/^(rediss?|unix):\/\//, 'must be a redis:// or unix:// URL')
    .optional(),
  DATA_DIR: z.string().default('.mailfold'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
} as const;

/** A TCP port; 0 lets the system pick a free one, which the process then reports when it is ready. */
export function portVariable(defaultPort: number) {
  return z.coerce.number().int('must be a port number').min(0).max(65_535).default(defaultPort);
}
