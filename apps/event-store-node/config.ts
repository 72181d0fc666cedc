import { z } from 'zod';
import { portVariable, sharedVariables } from '../shared/config/databases';

/** The environment of the embedded event store node. */
export const nodeVariables = z.object({
  /** Also over a unix socket: `postgresql://user@/database?host=/absolute/folder`. */
  EVENT_STORE_NODE_DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\//, 'must be a postgresql:// URL'),
  EVENT_STORE_NODE_HOST: z.string().min(1).default('127.0.0.1'),
  EVENT_STORE_NODE_PORT: portVariable(2113),
  /** PEM files. With a password they make the node secure; see loadSecurity. */
  EVENT_STORE_NODE_TLS_CERTIFICATE_FILE: z.string().optional(),
  EVENT_STORE_NODE_TLS_PRIVATE_KEY_FILE: z.string().optional(),
  /** Basic authentication ends the name at the first colon (RFC 7617). */
  EVENT_STORE_NODE_USER: z
    .string()
    .regex(/^[^:]+$/, 'must not contain a colon')
    .default('admin'),
  EVENT_STORE_NODE_PASSWORD: z.string().optional(),
  EVENT_STORE_NODE_PASSWORD_FILE: z.string().optional(),
  LOG_LEVEL: sharedVariables.LOG_LEVEL,
});
