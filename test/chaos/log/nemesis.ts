import { setTimeout as delay } from 'node:timers/promises';
import type { Fault, FaultKind } from './faults';
import type { LogSystem } from './log-system';
import type { Writers } from './writers';

/** Longer than any client's back-off and PostgreSQL's recovery together, on a machine that has other things to do. */
const recoveryTimeoutMs = 30_000;

export interface StruckFault {
  readonly kind: FaultKind;
  /** From the end of the fault until every writing process had an acknowledgement; null where nobody waited for it. */
  readonly recoveredAfterMs: number | null;
}

export interface NemesisReport {
  readonly struck: readonly StruckFault[];
  /** What ended it before its time: a system that did not come back. */
  readonly failure: string | null;
}

/** Strikes one fault after the other until all are done, `signal` says stop, or the system does not recover. */
export async function strikeAll(
  faults: readonly Fault[],
  system: LogSystem,
  writers: Writers,
  signal: AbortSignal,
  onStruck: (count: number) => void,
): Promise<NemesisReport> {
  const struck: StruckFault[] = [];
  for (const [index, fault] of faults.entries()) {
    await delay(fault.afterMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
    const refusal = await strike(fault, system).then(() => null, failureText);
    if (refusal !== null) return { struck, failure: `after ${fault.kind}: ${refusal}` };
    const waits = faults[index + 1]?.duringRecovery !== true;
    const recoveredAfterMs = waits ? await writers.acknowledgedAgain(recoveryTimeoutMs) : null;
    struck.push({ kind: fault.kind, recoveredAfterMs });
    onStruck(struck.length);
    const failure = [...system.unaskedEnds, ...writers.unaskedEnds].at(0);
    if (failure !== undefined) return { struck, failure };
    if (waits && recoveredAfterMs === null) {
      const after = `after ${fault.kind} not every writer was acknowledged again`;
      return { struck, failure: `${after} within ${recoveryTimeoutMs / 1_000} s` };
    }
  }
  return { struck, failure: null };
}

function failureText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function strike({ kind, lastsMs, midAppend }: Fault, system: LogSystem): Promise<void> {
  const letGo = midAppend ? await system.holdUpAppends() : null;
  try {
    await strikeNow(kind, lastsMs, system);
  } finally {
    await letGo?.();
  }
}

async function strikeNow(kind: FaultKind, lastsMs: number, system: LogSystem): Promise<void> {
  switch (kind) {
    case 'kill-node':
      return system.killNode(lastsMs);
    case 'kill-postmaster':
      return system.killPostgres('postmaster', lastsMs);
    case 'kill-postgres':
      return system.killPostgres('whole server', lastsMs);
    case 'kill-everything':
      return system.killEverything(lastsMs);
    case 'terminate-writer':
      return system.terminateWriterSession();
    case 'freeze-node':
      return system.freezeNode(lastsMs);
    case 'freeze-postgres':
      return system.freezePostgres(lastsMs);
  }
}
