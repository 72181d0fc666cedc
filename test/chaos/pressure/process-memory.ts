import { readFile } from 'node:fs/promises';

/** Resident memory of a process, MiB, as Linux counts it. */
export async function residentMiB(pid: number): Promise<number> {
  return statusMiB(pid, 'VmRSS');
}

/** The most it has had resident since it was started, MiB. */
export async function peakMiB(pid: number): Promise<number> {
  return statusMiB(pid, 'VmHWM');
}

async function statusMiB(pid: number, field: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kiB = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1];
  if (kiB === undefined) throw new Error(`process ${pid} has no ${field}`);
  return Number(kiB) / 1024;
}
