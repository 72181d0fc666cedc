import { z } from 'zod';
import { portVariable, sharedVariables } from '../../shared/config/databases';

/** What the console reads from its environment besides what runs need. Without the operator's key it does not start. */
export const consoleVariables = z.object({
  HOST: z.string().default('127.0.0.1'),
  CONSOLE_PORT: portVariable(4003),
  MAILFOLD_ADMIN_KEY: z.string().min(24, 'at least 24 characters'),
  DATA_DIR: sharedVariables.DATA_DIR,
});
