import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync, statfsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A file system in memory that is full soon. */
export interface SmallDisk {
  readonly directory: string;
  freeMiB(): number;
  /** Leaves only `freeMiB` of room. */
  occupy(freeMiB: number): Promise<void>;
  /** Gives the room back. */
  release(): Promise<void>;
  unmount(): void;
}

/** Needs root on Linux; see {@link whyNoSmallDisk}. */
export function mountSmallDisk(sizeMiB: number): SmallDisk {
  const directory = mkdtempSync(join(tmpdir(), 'mf-disk-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeMiB}m,mode=0755`, 'mailfold-test', directory]);
  const ballast = join(directory, 'ballast');
  const freeMiB = (): number => {
    const { bavail, bsize } = statfsSync(directory);
    return (bavail * bsize) / 1024 ** 2;
  };
  const unmount = (): void => {
    process.off('exit', unmount);
    execFileSync('umount', ['--lazy', directory]);
    rmdirSync(directory);
  };
  // It must not outlive this process, whatever ends it.
  process.once('exit', unmount);
  return {
    directory,
    freeMiB,
    occupy: (left) =>
      writeFile(ballast, Buffer.alloc(Math.max(0, Math.floor((freeMiB() - left) * 1024 ** 2)))),
    release: () => rm(ballast, { force: true }),
    unmount,
  };
}

/** Why a disk cannot be had here, or null. Found out by trying. */
export function whyNoSmallDisk(): string | null {
  if (process.platform !== 'linux') return 'a small disk is made of tmpfs, which needs Linux';
  if (process.getuid?.() !== 0) return 'mounting a small disk needs root';
  try {
    mountSmallDisk(1).unmount();
    return null;
  } catch {
    return 'this machine does not let root mount a small disk';
  }
}
