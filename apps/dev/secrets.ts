import { randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../shared/config/load-config';

const secretsSchema = z.object({
  adminKey: z.string().min(32),
  /** 32 bytes in base64. Without it no mail in the log can be read any more. */
  rootKey: z.string().regex(/^[A-Za-z0-9+/]{43}=$/),
  /** The tenant that `npm start` makes, so that its screen has something to show. */
  demo: z
    .object({ tenantId: z.string(), apiKey: z.string(), userId: z.string(), mailboxId: z.string() })
    .optional(),
});

export type Secrets = z.infer<typeof secretsSchema>;
export type DemoTenant = NonNullable<Secrets['demo']>;

/**
 * What MAILFOLD_ADMIN_KEY and MAILFOLD_ROOT_KEY say, else what `<dataDir>/secrets.json` holds, else new ones.
 * Throws {@link ConfigError} when the file is damaged: a new root key would make the stored mail unreadable.
 */
export function loadSecrets(dataDir: string, env: NodeJS.ProcessEnv): Secrets {
  const stored = readSecrets(dataDir) ?? {
    adminKey: `mfa_${randomBytes(32).toString('base64url')}`,
    rootKey: randomBytes(32).toString('base64'),
  };
  storeSecrets(dataDir, stored);
  return {
    ...stored,
    adminKey: env['MAILFOLD_ADMIN_KEY'] || stored.adminKey,
    rootKey: env['MAILFOLD_ROOT_KEY'] || stored.rootKey,
  };
}

export function storeDemoTenant(dataDir: string, demo: DemoTenant): void {
  const stored = readSecrets(dataDir);
  if (stored) storeSecrets(dataDir, { ...stored, demo });
}

function readSecrets(dataDir: string): Secrets | null {
  const path = join(dataDir, 'secrets.json');
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    return secretsSchema.parse(JSON.parse(text));
  } catch {
    throw new ConfigError(
      `Configuration: ${path} is damaged; restore it, or remove ${dataDir} to begin anew`,
    );
  }
}

function storeSecrets(dataDir: string, secrets: Secrets): void {
  const path = join(dataDir, 'secrets.json');
  const unfinished = `${path}.unfinished`;
  writeFileSync(unfinished, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, path);
}
