import { z } from 'zod';
import { portVariable, sharedVariables } from '../shared/config/databases';

/** The environment of the embedded event store node. */
export const nodeVariables = z.object({
  /** Also over a unix socket: `postgresql://user@/database?host=/absolute/folder`. */
  EVENT_STORE_NODE_DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, 'must be a postgresql:// URL'),
  EVENT_STORE_NODE_HOST: z.string().min(1).default('127.0.0.1'),
  EVENT_STORE_NODE_PORT: portVariable(2113),
  LOG_LEVEL: sharedVariables.LOG_LEVEL,
});
