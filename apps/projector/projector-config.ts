import { z } from 'zod';
import { projectionTiers } from '../../projections/tiers';
import { portVariable, sharedVariables } from '../shared/config/databases';

const rootKeyBytes = 32;
const tierNames = projectionTiers.map(({ tier }) => tier);

/** Everything the projector reads from its environment. It has no means to write to the log or to send anything. */
export const projectorVariables = z.object({
  HOST: z.string().default('127.0.0.1'),
  PROJECTOR_PORT: portVariable(0),
  PROJECTOR_TIERS: z
    .string()
    .default(tierNames.join(','))
    .transform((text) => text.split(',').map((name) => name.trim()))
    .pipe(z.array(z.enum(tierNames as [string, ...string[]]))),
  EVENTSTORE_URL: sharedVariables.EVENTSTORE_URL,
  CONTROL_DATABASE_URL: sharedVariables.CONTROL_DATABASE_URL,
  KEYS_DATABASE_URL: sharedVariables.KEYS_DATABASE_URL,
  OLTP_DATABASE_URL: sharedVariables.OLTP_DATABASE_URL,
  CONTENT_DATABASE_URL: sharedVariables.CONTENT_DATABASE_URL,
  OLAP_DATABASE_URL: sharedVariables.OLAP_DATABASE_URL,
  QUEUE_DATABASE_URL: sharedVariables.QUEUE_DATABASE_URL.optional(),
  MAIL_PARSER_THREADS: z.coerce.number().int('must be a number').min(1).max(64).default(1),
  MAILFOLD_ROOT_KEY: z
    .string()
    .refine(
      (text) => Buffer.from(text, 'base64').length === rootKeyBytes,
      `must be ${rootKeyBytes} bytes in base64`,
    )
    .transform((text) => Buffer.from(text, 'base64')),
});

export type ProjectorConfig = z.infer<typeof projectorVariables>;
