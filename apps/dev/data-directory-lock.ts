import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive } from '../shared/embedded/postmaster-file';

export class DataDirectoryInUse extends Error {
  override readonly name = 'DataDirectoryInUse';
}

/**
 * Two systems on one directory would fight over its server. Throws {@link DataDirectoryInUse} while another one runs; the
 * lock of one that was killed counts for nothing. Returns the release.
 */
export function lockDataDirectory(dataDir: string): () => void {
  const path = join(dataDir, 'lock');
  const mine = `${process.pid} ${startedAt(process.pid)}`;
  for (;;) {
    try {
      const file = openSync(path, 'wx', 0o600);
      writeSync(file, mine);
      closeSync(file);
      return () => rmSync(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      const [pid, since] = readFileSync(path, 'utf8').split(' ');
      if (isAlive(Number(pid)) && startedAt(Number(pid)) === since) {
        throw new DataDirectoryInUse(
          `Mailfold already runs on ${dataDir} (pid ${pid}). Stop it, or set DATA_DIR.`,
        );
      }
      rmSync(path, { force: true });
    }
  }
}

/** Clock ticks from boot, where the system tells: a pid alone may since belong to another process. */
function startedAt(pid: number): string {
  try {
    const afterName = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1] ?? '';
    return afterName.split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
