import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import type { RowContext } from '../harness/row';

/** Not bench/ itself: what lies in its node_modules would hide the project's own versions from bench/*.ts. */
const folder = resolve('bench/peers');

/**
 * Makes the pinned packages of bench/peers/package.json loadable, from the registry if they are not there yet. Rows without peers
 * never call this, so they need no network.
 */
export async function installPeers(context: RowContext): Promise<void> {
  if (await installed()) return;
  context.notice('The peers this row is measured against are not installed: npm ci --prefix bench/peers …');
  const npm = spawn('npm', ['ci', '--prefix', folder, '--no-audit', '--no-fund'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    signal: context.signal,
  });
  const [code] = (await once(npm, 'close')) as [number | null];
  if (code !== 0) throw new Error(`npm ci --prefix bench/peers ended with ${code}: this row needs its peers`);
}

/** npm leaves a copy of the lock file beside what it has installed; where they differ, so do the versions. */
async function installed(): Promise<boolean> {
  const packagesOf = async (file: string): Promise<string | null> => {
    const text = await readFile(join(folder, file), 'utf8').catch(() => null);
    if (text === null) return null;
    const { packages } = JSON.parse(text) as { packages: Record<string, { version?: string }> };
    const versions = Object.entries(packages).filter(([path]) => path !== '');
    return JSON.stringify(versions.map(([path, { version }]) => [path, version]).sort());
  };
  const wanted = await packagesOf('package-lock.json');
  return wanted !== null && wanted === (await packagesOf('node_modules/.package-lock.json'));
}

/** A peer as a value of unknown shape: the caller says what it uses, so the types of peers are needed by nobody. */
export function loadPeer(name: string): unknown {
  return createRequire(join(folder, 'package.json'))(name);
}
