import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { ConfigError } from './load-config';

const fileName = 'env';

/**
 * Fills variables that are unset from the file `npm start` keeps in `dataDir` while it runs, so that
 * `npx mailfold status` beside it needs no environment. Does nothing when there is no such file.
 * Throws {@link ConfigError} when others may read or write the file: it holds the admin key.
 */
export function loadDevEnvironment(dataDir: string, env: NodeJS.ProcessEnv = process.env): void {
  const path = join(dataDir, fileName);
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) return;
  if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0) {
    throw new ConfigError(`Configuration: ${path} can be read by other users; chmod 600 it or delete it`);
  }
  for (const [name, value] of Object.entries(parseEnv(readFileSync(path, 'utf8')))) {
    if (env[name] === undefined || env[name] === '') env[name] = value;
  }
}

/** Values are single-quoted, the one dotenv form in which `$` and `#` stand for themselves; none may hold a quote. */
export function writeDevEnvironment(dataDir: string, variables: Readonly<Record<string, string>>): void {
  const path = join(dataDir, fileName);
  const lines = Object.entries(variables).map(([name, value]) => `${name}='${value}'\n`);
  // Removed first because `mode` applies only to a file that is created.
  rmSync(path, { force: true });
  writeFileSync(path, lines.join(''), { mode: 0o600 });
}

/** Called when the system stops, because its URLs then lead nowhere. */
export function removeDevEnvironment(dataDir: string): void {
  rmSync(join(dataDir, fileName), { force: true });
}
