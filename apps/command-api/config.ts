import { z } from 'zod';
import { portVariable, sharedVariables } from '../shared/config/databases';
import { mailCaps } from '../shared/mail/mail-caps';

const rootKeyBytes = 32;

/** Everything the command API reads from its environment. Secrets have no default: without them it does not start. */
export const commandApiVariables = z.object({
  HOST: z.string().default('127.0.0.1'),
  COMMAND_API_PORT: portVariable(4001),
  EVENTSTORE_URL: sharedVariables.EVENTSTORE_URL,
  KEYS_DATABASE_URL: sharedVariables.KEYS_DATABASE_URL,
  MAILFOLD_ADMIN_KEY: z.string().min(24, 'at least 24 characters'),
  MAILFOLD_ROOT_KEY: z
    .string()
    .refine(isRootKey, `must be ${rootKeyBytes} bytes in base64`)
    .transform((text) => Buffer.from(text, 'base64')),
  MESSAGE_SIZE_MAX_BYTES: z.coerce
    .number()
    .int('must be a number of bytes')
    .min(1_024)
    .max(2 * mailCaps.messageBytesMax)
    .default(mailCaps.messageBytesMax),
  MAIL_PARSER_THREADS: z.coerce.number().int('must be a number').min(1).max(64).default(1),
});

export type CommandApiConfig = z.infer<typeof commandApiVariables>;

function isRootKey(text: string): boolean {
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) && Buffer.from(text, 'base64').length === rootKeyBytes;
}
