import { readdir, readFile } from 'node:fs/promises';
import type { ObservedProcess } from './row';

/** Of `/proc/<pid>/stat`; Linux has reported 100 to user space on every architecture for decades. */
const ticksPerSecond = 100;

/** CPU-seconds a process has used so far, by its name. Empty where there is no /proc: the figure is for information. */
export async function cpuSeconds(processes: readonly ObservedProcess[]): Promise<Map<string, number>> {
  const pids = processes.some(({ withChildren }) => withChildren) ? await allPids() : [];
  const all = await readTicks([...pids, ...processes.map(({ pid }) => pid)]);
  const seconds = new Map<string, number>();
  for (const { name, pid, withChildren } of processes) {
    const family = withChildren === true ? withDescendants(pid, all) : [pid];
    const ticks = family.reduce((sum, each) => sum + (all.get(each)?.ticks ?? 0), 0);
    if (all.has(pid)) seconds.set(name, (seconds.get(name) ?? 0) + ticks / ticksPerSecond);
  }
  return seconds;
}

/** CPU-seconds of the whole machine since it was started. */
export interface MachineTime {
  /** Spent by any process, or taken by other guests of the same host. */
  readonly busySeconds: number;
  /** Of all processors, idle or not. */
  readonly totalSeconds: number;
}

/** Zeros where there is no /proc. */
export async function machineTime(): Promise<MachineTime> {
  const stat = await readFile('/proc/stat', 'latin1').catch(() => 'cpu');
  // proc(5): user, nice, system, idle, iowait, irq, softirq, steal; what guests take is part of user.
  const ticks = stat.slice(0, stat.indexOf('\n')).trim().split(/\s+/).slice(1, 9).map(Number);
  const totalSeconds = ticks.reduce((sum, each) => sum + each, 0) / ticksPerSecond;
  const [, , , idle = 0, waiting = 0] = ticks;
  return { totalSeconds, busySeconds: totalSeconds - (idle + waiting) / ticksPerSecond };
}

interface ProcessTicks {
  readonly parentPid: number;
  /** Own, and those of children that have ended. */
  readonly ticks: number;
}

async function allPids(): Promise<number[]> {
  const entries = await readdir('/proc').catch(() => []);
  return entries.filter((name) => /^\d+$/.test(name)).map(Number);
}

async function readTicks(pids: readonly number[]): Promise<Map<number, ProcessTicks>> {
  const found = new Map<number, ProcessTicks>();
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => null);
    if (stat !== null) found.set(pid, parseStat(stat));
  }
  return found;
}

/** proc(5): the second field is a name in parentheses and may hold spaces, so fields count from the last parenthesis. */
function parseStat(stat: string): ProcessTicks {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [userTime = 0, systemTime = 0, childUserTime = 0, childSystemTime = 0] = fields
    .slice(11, 15)
    .map(Number);
  return {
    parentPid: Number(fields[1]),
    ticks: userTime + systemTime + childUserTime + childSystemTime,
  };
}

function withDescendants(pid: number, all: ReadonlyMap<number, ProcessTicks>): number[] {
  const children = [...all].filter(([, { parentPid }]) => parentPid === pid).map(([child]) => child);
  return [pid, ...children.flatMap((child) => withDescendants(child, all))];
}
