import type { EventStore, LogRecord } from '../../shared/event-store/event-store';
import { count, countedEvent, totalOf, type Tally } from '../../shared/log-ledger/census';
import { censusRecord } from '../../shared/log-ledger/ledger-rows';
import { LogLedger } from '../../shared/log-ledger/log-ledger';
import { exitCodes, type CommandContext } from '../command-run';
import { controlUrl, openLog, openPool } from '../connections';
import { plural, table, type Output } from '../output';
import { createProgress, type Progress } from '../progress';
import { megabytes } from './bytes';
import { LedgerComparison, sortedCensus } from './ledger-comparison';
import { RecordChecks, type AuditFault } from './record-checks';

export interface LogAuditOptions {
  /** Exclusive; without it from the start of the log. */
  readonly after?: bigint;
}

/** Of one kind; the others are counted. A log that is wrong throughout must not drown what else is wrong with it. */
const faultsShownMax = 100;
const eventsPerUpdate = 256;

/**
 * `mailfold log audit`: reads the whole log and holds every event against the rules, its schema version and the ledger.
 * 0 when nothing is wrong; 1 when something is; 130 when interrupted, with what was seen so far and how to go on.
 */
export async function logAuditCommand(options: LogAuditOptions, context: CommandContext): Promise<number> {
  const { output, signal } = context;
  const after = options.after ?? null;
  const store = openLog(context);
  const ledger = new LogLedger(openPool(context, controlUrl()), store);
  const audit = new LogAudit(store, await LedgerComparison.begin(ledger, after), after);
  const faults = new FaultList(output);
  const head = await store.head();
  const progress = createProgress('Audit', 'events');
  context.onEnd(() => progress.stop());
  if (head !== null)
    for await (const record of store.readRecords({ after, upTo: head, withContent: true, signal })) {
      faults.add(await audit.take(record));
      if (audit.events % eventsPerUpdate === 0) progress.update(audit.progressTo(head));
      if (signal.aborted) break;
    }
  const isComplete = !signal.aborted;
  if (isComplete) faults.add(await audit.finish());
  if (isComplete && head !== null) progress.update(audit.progressTo(head));
  progress.stop();
  report(output, audit, faults, isComplete);
  if (!isComplete) {
    output.notice(`Interrupted: it goes on with --after ${audit.resumeAfter ?? 0n}`);
    return exitCodes.interrupted;
  }
  return faults.count === 0 ? exitCodes.done : exitCodes.failed;
}

/** One reading of the log. */
class LogAudit {
  readonly checks: RecordChecks;
  readonly census = new Map<string, Tally>();
  events = 0;
  position: bigint | null;

  constructor(
    store: EventStore,
    readonly comparison: LedgerComparison,
    private readonly after: bigint | null,
  ) {
    this.checks = new RecordChecks(store, after);
    this.position = after;
  }

  async take(record: LogRecord): Promise<AuditFault[]> {
    const faults = await this.comparison.faultsBefore(record);
    faults.push(...(await this.checks.faultsOf(record)));
    count(this.census, countedEvent(record));
    this.events += 1;
    this.position = record.position;
    return faults;
  }

  finish(): Promise<AuditFault[]> {
    return this.comparison.faultsAtEnd();
  }

  /** Where to go on: at the end of a segment, so that no segment is left out. */
  get resumeAfter(): bigint | null {
    return this.comparison.comparedUpTo;
  }

  progressTo(head: bigint): Parameters<Progress['update']>[0] {
    const from = this.after ?? 0n;
    return {
      done: Number((this.position ?? 0n) - from),
      total: Number(head - from),
      count: this.events,
    };
  }
}

/** Faults as they are found, so that a long audit need not be waited for. */
class FaultList {
  private readonly countByKind = new Map<AuditFault['kind'], number>();

  constructor(private readonly output: Output) {}

  add(faults: readonly AuditFault[]): void {
    for (const fault of faults) {
      const known = this.countByKind.get(fault.kind) ?? 0;
      this.countByKind.set(fault.kind, known + 1);
      if (known < faultsShownMax) this.show(fault);
    }
  }

  get count(): number {
    return [...this.countByKind.values()].reduce((sum, each) => sum + each, 0);
  }

  get counts(): Record<string, number> {
    return Object.fromEntries(this.countByKind);
  }

  private show(fault: AuditFault): void {
    const { kind, position, streamName, eventId, detail } = fault;
    this.output.record({ type: 'fault', ...fault });
    const place = streamName === null ? '' : `  ${streamName}  event ${eventId}`;
    this.output.line(`FAULT ${kind}  position ${position}${place}  ${detail}`);
  }
}

function report(output: Output, audit: LogAudit, faults: FaultList, isComplete: boolean): void {
  const { checks, comparison, census, events, position } = audit;
  const { streams, foreignEvents, streamsBegunEarlier } = checks;
  const { segmentsCompared, eventsNewer, chunksTaken } = comparison;
  const figures = { events, streams, position, foreignEvents, streamsBegunEarlier };
  output.record({
    ...{ type: 'audit', isComplete, ...figures, faults: faults.counts },
    ledger: { segmentsCompared, eventsNewer, chunksTaken },
    census: censusRecord(new Map(sortedCensus(census))),
  });
  const { bytes } = totalOf(census);
  output.line(
    `${plural(events, 'event')} in ${plural(streams, 'stream')}, ${megabytes(bytes)}, up to position ${position ?? 'none'}`,
  );
  for (const line of table(sortedCensus(census).map(([name, tally]) => [`  ${name}`, tally.events])))
    output.line(line);
  output.line(
    `Ledger: ${plural(segmentsCompared, 'segment')} compared, ${plural(eventsNewer, 'event')} newer than it`,
  );
  if (chunksTaken > 0) output.line(`Retention has taken ${plural(chunksTaken, 'chunk')} of content.`);
  if (streamsBegunEarlier > 0)
    output.line(`${plural(streamsBegunEarlier, 'stream')} began before what was read.`);
  if (foreignEvents > 0) output.line(`${plural(foreignEvents, 'event')} in streams that are not Mailfold's.`);
  if (faults.count > 0) output.line(`${plural(faults.count, 'fault')} found.`);
  else output.line(isComplete ? 'No fault found.' : 'No fault found so far.');
}
