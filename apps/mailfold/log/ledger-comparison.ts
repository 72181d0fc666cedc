import type { LogRecord } from '../../shared/event-store/event-store';
import { count, countedEvent, type Census, type Tally } from '../../shared/log-ledger/census';
import { digestToHex } from '../../shared/log-ledger/id-digest';
import type { LogLedger } from '../../shared/log-ledger/log-ledger';
import type { Segment } from '../../shared/log-ledger/segment';
import type { AuditFault } from './record-checks';

/** Retention may take chunks of content out of the log, and nothing else (architecture.md, "A mail's way"). */
const takenByRetention = /^MessageContentStored\.v\d+$/;

/**
 * Holds the log as the audit reads it against what the live tail counted: per segment of the ledger, and per type and
 * version in it, the number of events and the digest of their ids.
 */
export class LedgerComparison {
  private counted = new Map<string, Tally>();
  private current: Segment | null = null;
  segmentsCompared = 0;
  /** Events the tail had not counted when the audit began. */
  eventsNewer = 0;
  /** Chunks of content that the ledger knows and the log no longer has. */
  chunksTaken = 0;
  /** End of the last segment that was compared: where an interrupted audit can go on without leaving one out. */
  comparedUpTo: bigint | null;

  private constructor(
    private readonly segments: AsyncGenerator<Segment>,
    /** The open segment goes on growing while the audit runs; it counts as it was at its beginning. */
    private readonly last: Segment | null,
    private begins: bigint | null,
  ) {
    this.comparedUpTo = begins;
  }

  /** Begun before the end of the log is asked for, so that the ledger cannot be ahead of it. */
  static async begin(ledger: LogLedger, after: bigint | null): Promise<LedgerComparison> {
    const last = await ledger.lastSegment();
    const comparison = new LedgerComparison(ledger.segments(after), last, after);
    await comparison.advance();
    return comparison;
  }

  async faultsBefore(record: LogRecord): Promise<AuditFault[]> {
    const faults: AuditFault[] = [];
    while (this.current !== null && record.position > this.current.positionTo) {
      faults.push(...this.compare(this.current));
      await this.advance();
    }
    if (this.current === null) this.eventsNewer += this.isBeforeFirst(record) ? 0 : 1;
    else if (!this.isBeforeFirst(record)) count(this.counted, countedEvent(record));
    return faults;
  }

  /** Once the whole log is read: the ledger must hold nothing more. */
  async faultsAtEnd(): Promise<AuditFault[]> {
    const faults: AuditFault[] = [];
    for (; this.current !== null; await this.advance()) faults.push(...this.compare(this.current));
    return faults;
  }

  /** In a part of the log: of the segment in whose middle it begins. */
  private isBeforeFirst({ position }: LogRecord): boolean {
    return this.begins !== null && position <= this.begins;
  }

  private async advance(): Promise<void> {
    this.counted = new Map();
    const isAtEnd = this.current !== null && this.current.positionFrom === this.last?.positionFrom;
    const next = isAtEnd ? undefined : await this.segments.next();
    if (next === undefined || next.done) return void (this.current = null);
    const segment = next.value.positionFrom === this.last?.positionFrom ? this.last : next.value;
    this.current = segment;
    const beginsInside = this.begins !== null && segment.positionFrom <= this.begins;
    if (!beginsInside) return;
    this.begins = segment.positionTo;
    await this.advance();
  }

  private compare(segment: Segment): AuditFault[] {
    this.segmentsCompared += 1;
    this.comparedUpTo = segment.positionTo;
    const names = [...new Set([...segment.census.keys(), ...this.counted.keys()])].sort();
    return names.flatMap((name) => {
      const [inLedger, inLog] = [segment.census.get(name), this.counted.get(name)];
      if (isEqual(inLedger, inLog)) return [];
      const missing = (inLedger?.events ?? 0) - (inLog?.events ?? 0);
      if (takenByRetention.test(name) && missing > 0) {
        this.chunksTaken += missing;
        return [];
      }
      return [faultOf(segment, name, { inLedger, inLog })];
    });
  }
}

function isEqual(a: Tally | undefined, b: Tally | undefined): boolean {
  return a?.events === b?.events && a?.digest.hi === b?.digest.hi && a?.digest.lo === b?.digest.lo;
}

function faultOf(
  { positionFrom, positionTo }: Segment,
  name: string,
  { inLedger, inLog }: { inLedger: Tally | undefined; inLog: Tally | undefined },
): AuditFault {
  const [expected, found] = [inLedger?.events ?? 0, inLog?.events ?? 0];
  const detail =
    expected === found && inLedger !== undefined && inLog !== undefined
      ? `${name}: other event ids than the ledger counted, digest ${digestToHex(inLog.digest)} instead of ${digestToHex(inLedger.digest)}`
      : `${name}: ${found} events where the ledger counted ${expected}`;
  return {
    ...{ kind: 'ledger', streamName: null, eventId: null, position: positionFrom },
    detail: `${detail}, up to position ${positionTo}`,
  };
}

/** In the order of their names. */
export function sortedCensus(census: Census): [string, Tally][] {
  return [...census].sort(([a], [b]) => (a < b ? -1 : 1));
}
