import { readdirSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/**
 * Lets everything else on the machine go first: this process, with all threads it has and will have, gets at least this nice
 * value (0 to 19, setpriority(2)). On a machine with nothing else to do that costs nothing. Never throws: a run that gets in
 * the way of others is better than none.
 */
export function giveWay(niceness: number): void {
  for (const thread of threadIds()) {
    try {
      setPriority(thread, Math.max(niceness, getPriority(thread)));
    } catch {
      // The thread has ended, or the system does not let us.
    }
  }
}

/** Linux keeps a nice value per thread, and a new one takes that of its maker; elsewhere it belongs to the process. */
function threadIds(): number[] {
  try {
    return readdirSync('/proc/self/task').map(Number);
  } catch {
    return [process.pid];
  }
}
