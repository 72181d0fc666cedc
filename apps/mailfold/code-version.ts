import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** All that decides what rows come of an event: how it is read from the log, folded, parsed, and written in bulk. */
const foldingFolders = [
  '../../projections',
  '../../domain',
  '../shared/projecting',
  '../shared/rebuilding',
  '../shared/mail',
];
const foldingFiles = ['event-codec', 'event-shapes', 'upcasters'].map(
  (name) => `../shared/event-store/${name}`,
);

/**
 * Names the code that folds events into rows, by its content: a rebuild that other code has begun must not be continued,
 * or one generation would hold the rows of two.
 */
export function codeVersion(): string {
  const hash = createHash('sha256');
  for (const path of [...foldingFolders.flatMap(codeIn), ...foldingFiles.map(codeOf)])
    hash.update(relative(__dirname, path)).update(readFileSync(path));
  return hash.digest('hex').slice(0, 16);
}

function codeIn(folder: string): string[] {
  const root = join(__dirname, folder);
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((name) => /(?<!\.d)\.(js|ts)$/.test(name))
    .sort()
    .map((name) => join(root, name));
}

/** As built, or as written where nothing is built. */
function codeOf(module: string): string {
  return require.resolve(join(__dirname, module));
}
