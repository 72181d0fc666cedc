import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const foldingFolders = ['../../projections', '../../domain', '../shared/projecting'];

/**
 * Names the code that folds events into rows, by its content: a rebuild that other code has begun must not be continued,
 * or one generation would hold the rows of two.
 */
export function codeVersion(): string {
  const hash = createHash('sha256');
  for (const folder of foldingFolders) {
    const root = join(__dirname, folder);
    for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort())
      if (/\.(js|ts)$/.test(name)) hash.update(name).update(readFileSync(join(root, name)));
  }
  return hash.digest('hex').slice(0, 16);
}
