import { readFile, readdir, readlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/** What a running server writes into its data directory (postmaster.pid): who it is and where it listens. */
export interface Postmaster {
  readonly pid: number;
  readonly socketDir: string;
}

/** The postmaster that holds `dataDirectory`, or null when the file is missing, half-written, or of a dead process. */
export async function runningPostmaster(dataDirectory: string): Promise<Postmaster | null> {
  const text = await readFile(join(dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '');
  const [pidLine, , , , socketDir] = text.split('\n');
  const pid = Number(pidLine);
  if (!Number.isInteger(pid) || pid <= 1 || !isAlive(pid) || !(await isPostgres(pid))) return null;
  return { pid, socketDir: socketDir?.trim() ?? '' };
}

/**
 * Removes the file of a server that is gone but whose number now belongs to another process, which PostgreSQL would wait
 * for without end: usual where a container restarts. Never while anything works in the data directory, because the file is
 * also PostgreSQL's own guard against two servers at once.
 */
export async function removeStalePostmasterFile(dataDirectory: string): Promise<void> {
  if (process.platform !== 'linux' || (await runningPostmaster(dataDirectory)) !== null) return;
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const workingDirectory = await readlink(`/proc/${pid}/cwd`).catch(() => null);
    if (workingDirectory === dataDirectory) return;
  }
  await unlink(join(dataDirectory, 'postmaster.pid')).catch(() => undefined);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: alive, and another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** After a crash or a reboot the number may belong to someone else, whom we must neither adopt nor signal. */
async function isPostgres(pid: number): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
  // A killed server stays as a zombie until its parent collects it.
  const state = (await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')).match(/\) (\S)/)?.[1];
  return name.trim() === 'postgres' && state !== 'Z';
}
