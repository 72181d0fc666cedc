import { chown, chmod, lstat, mkdir, mkdtemp, readlink, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { PostgresBinaries } from './postgres-binaries';

type Account = PostgresBinaries['account'];

/** sun_path holds 108 bytes with its NUL; PostgreSQL appends `/.s.PGSQL.5432`. */
export const socketPathMaxBytes = 107;
const socketFileName = '.s.PGSQL.5432';
const rootsClusters = '/var/lib/mailfold';
const temporaryPrefix = 'mailfold-run-';

/**
 * Where the cluster lies: `<dataDir>/postgres`. Where root runs the server as `nobody` and `dataDir` is below a directory
 * only root can enter, that is a symbolic link to a directory of its own in /var/lib/mailfold.
 */
export async function clusterDirectory(dataDir: string, account: Account): Promise<string> {
  const path = join(dataDir, 'postgres');
  if (account === undefined) return path;
  const linked = await readlink(path).catch(() => null);
  if (linked !== null) return linked;
  // May be passed through, not listed: its files with secrets are private themselves.
  await chmod(dataDir, (await stat(dataDir)).mode | 0o011);
  if (await reachableByAll(dataDir)) return path;
  await mkdir(rootsClusters, { recursive: true, mode: 0o755 });
  const folder = await mkdtemp(join(rootsClusters, 'postgres-'));
  await chmod(folder, 0o755);
  const target = join(folder, 'cluster');
  await symlink(target, path);
  return target;
}

/** Removes `dataDir` with everything in it, and the cluster its link leads to. Nothing may run on it. */
export async function removeDataDirectory(dataDir: string): Promise<void> {
  const linked = await readlink(join(dataDir, 'postgres')).catch(() => null);
  if (linked !== null && dirname(dirname(linked)) === rootsClusters) {
    await rm(dirname(linked), { recursive: true, force: true });
  }
  await rm(dataDir, { recursive: true, force: true });
}

/**
 * A directory for the server's socket that only its user can enter: that is the whole of its access control.
 * `<dataDir>/run`, or a short one in the system's temporary directory where the path would not fit or not be reachable.
 */
export async function socketDirectory(dataDir: string, account: Account): Promise<string> {
  const usual = join(dataDir, 'run');
  const fits = Buffer.byteLength(join(usual, socketFileName)) <= socketPathMaxBytes;
  const reachable = account === undefined || (await reachableByAll(dataDir));
  const folder =
    fits && reachable ? usual : await mkdtemp(join(await temporaryDirectory(account), temporaryPrefix));
  await ownDirectory(folder, account);
  return folder;
}

/** An adopted server may listen anywhere, so only what bears our name is removed. */
export async function removeTemporarySocketDirectory(folder: string): Promise<void> {
  if (basename(folder).startsWith(temporaryPrefix)) await rm(folder, { recursive: true, force: true });
}

/** Makes `folder` (and parents) and gives it to the server's user alone. */
export async function ownDirectory(folder: string, account: Account): Promise<void> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o700);
  if (account !== undefined) await chown(folder, account.uid, account.gid);
}

/** The system's own, unless a socket's path would not fit there, or the server's user cannot pass. */
async function temporaryDirectory(account: Account): Promise<string> {
  const usual = tmpdir();
  const isUsable = usual.length <= 40 && (account === undefined || (await reachableByAll(usual)));
  return isUsable ? usual : '/tmp';
}

async function reachableByAll(folder: string): Promise<boolean> {
  for (let path = folder; ; path = dirname(path)) {
    if (((await stat(path)).mode & 0o001) === 0) return false;
    if (path === dirname(path)) return true;
  }
}

/** Whether anything, even a dangling link, is at `path`. */
export async function exists(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => null)) !== null;
}
