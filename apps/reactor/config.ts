import { z } from 'zod';
import { portVariable, sharedVariables } from '../shared/config/databases';

const rootKeyBytes = 32;

/** Everything the reactor reads from its environment. */
export const reactorVariables = z.object({
  HOST: z.string().default('127.0.0.1'),
  REACTOR_PORT: portVariable(0),
  EVENTSTORE_URL: sharedVariables.EVENTSTORE_URL,
  CONTROL_DATABASE_URL: sharedVariables.CONTROL_DATABASE_URL,
  KEYS_DATABASE_URL: sharedVariables.KEYS_DATABASE_URL,
  MAILFOLD_ROOT_KEY: z
    .string()
    .refine(isRootKey, `must be ${rootKeyBytes} bytes in base64`)
    .transform((text) => Buffer.from(text, 'base64')),
});

function isRootKey(text: string): boolean {
  return /^[A-Za-z0-9+/]+={0,2}$/.test(text) && Buffer.from(text, 'base64').length === rootKeyBytes;
}
