import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { addCensuses, emptyTally, type Census, type Tally } from '../../log-ledger/census';
import { digestFromHex } from '../../log-ledger/id-digest';
import { BehindLedger, type LogLedger } from '../../log-ledger/log-ledger';
import { LogDisagrees, PoisonStop, type Poison } from '../contracts';
import { readSummary } from '../spool/read-spool';
import { rangeFile } from '../spool/spool-file';
import { InProcess } from '../in-process';
import type { Pacing } from '../pacer';
import { inOrder, Threads, type Workers } from '../threads';
import type { ReaderConnections } from './reader-connections';
import type { LogRange, RangeSummary, ScanPlan } from './scan-plan';
import type { RangeScanned } from './scan-range';
import { scanTask } from './scan-task';

export interface ScanPhase extends Pacing {
  readonly plan: ScanPlan;
  readonly ranges: readonly LogRange[];
  readonly readers: number;
  /** Set: this process itself reads, over these. */
  readonly inProcess: ReaderConnections | null;
  readonly signal: AbortSignal;
}

/** The ranges whose files are there: an earlier call has read them. */
export function rangesDone({ plan, ranges }: Pick<ScanPhase, 'plan' | 'ranges'>): LogRange[] {
  return ranges.filter(({ index }) => existsSync(rangeFile(plan.spool, index)));
}

/**
 * Reads every range that has no file yet. Throws {@link PoisonStop} for the first event that nobody can apply, where the
 * plan says so, and what log, keys or PostgreSQL throw; what was read stays for the next call.
 */
export async function scanRanges(phase: ScanPhase): Promise<void> {
  const { ranges, readers } = phase;
  const done = new Set(rangesDone(phase));
  const todo = ranges.filter((range) => !done.has(range));
  if (todo.length === 0) return;
  const workers = workersFor(phase, Math.min(readers, todo.length));
  const poison: Poison[] = [];
  try {
    await inOrder(todo, readers, async (range) => {
      const { stoppedBy } = await workers.run({ range });
      if (stoppedBy !== null) poison.push(stoppedBy);
      return stoppedBy === null;
    });
  } finally {
    await workers.close();
  }
  // Ranges before the one that found poison were read to their end, so the first of these is the first of all.
  const [first] = poison.sort((one, other) => (one.position < other.position ? -1 : 1));
  if (first !== undefined) throw new PoisonStop(first);
}

function workersFor(phase: ScanPhase, threads: number): Workers<{ range: LogRange }, RangeScanned> {
  const { plan, inProcess, signal, onBatch, pace } = phase;
  const pacing = { onBatch, ...(pace ? { pace } : {}) };
  if (inProcess !== null)
    return new InProcess((task) => scanTask({ plan, connections: inProcess, signal }, task), pacing);
  return new Threads({ file: join(__dirname, 'scan.worker'), threads, workerData: plan, signal, ...pacing });
}

/** What all ranges add up to. */
export function summariesOf({ plan, ranges }: Pick<ScanPhase, 'plan' | 'ranges'>): RangeSummary[] {
  return ranges.map(({ index }) => readSummary<RangeSummary>(plan.spool, index));
}

/**
 * Holds what each range has read against what the live tail of the log has counted there. Of a range that differs the file
 * is removed, so that the next call reads it again. Throws {@link LogDisagrees}.
 */
export async function checkAgainstLedger(
  ledger: LogLedger,
  phase: Pick<ScanPhase, 'plan' | 'ranges'>,
  summaries: readonly RangeSummary[],
): Promise<void> {
  for (const [index, range] of phase.ranges.entries()) {
    const counted = await ledgerCensus(ledger, range);
    const summary = summaries[index];
    if (counted === null || summary === undefined) continue;
    const fault = difference(counted, censusOf(summary));
    if (fault === null) continue;
    rmSync(rangeFile(phase.plan.spool, range.index));
    throw new LogDisagrees(
      `range ${range.index} of the log, positions ${range.after ?? 'from the start'} to ${range.upTo}: ${fault}`,
    );
  }
}

/** Null where the ledger has not come so far yet. */
async function ledgerCensus(ledger: LogLedger, { after, upTo }: LogRange): Promise<Census | null> {
  try {
    return await ledger.censusOf(after, upTo);
  } catch (error) {
    if (error instanceof BehindLedger) return null;
    throw error;
  }
}

function censusOf({ census }: RangeSummary): Census {
  return new Map(
    Object.entries(census).map(([name, { digest, ...tally }]) => [
      name,
      { ...tally, digest: digestFromHex(digest) },
    ]),
  );
}

/** Chunks are left out where no tier wants them, and retention takes them: they are the one type that may be missing. */
const mayBeMissing = /^MessageContentStored\./;

function difference(ledger: Census, read: Census): string | null {
  for (const name of addCensuses(ledger, read).keys()) {
    if (mayBeMissing.test(name)) continue;
    const [expected, found]: Tally[] = [ledger.get(name) ?? emptyTally, read.get(name) ?? emptyTally];
    if (expected!.events !== found!.events)
      return `the ledger has counted ${expected!.events} ${name}, ${found!.events} were read`;
    if (expected!.digest.hi !== found!.digest.hi || expected!.digest.lo !== found!.digest.lo)
      return `${name}: as many events as the ledger has counted, but not the same ones`;
  }
  return null;
}
