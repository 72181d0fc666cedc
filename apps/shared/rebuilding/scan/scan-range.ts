import { slotCount } from '../../../../domain/slot';
import { streamPrefixes } from '../../../../domain/stream-name';
import type { LogRecord } from '../../event-store/event-store';
import { censusRecord } from '../../log-ledger/ledger-rows';
import { digestToHex } from '../../log-ledger/id-digest';
import { ContentReader } from '../../projecting/content-reader';
import { sequenceOf, type ReadableEvent } from '../../projecting/fold-event';
import { bucketBySlot } from '../buckets';
import type { Poison } from '../contracts';
import { partName, SpoolWriter } from '../spool/spool-file';
import { readAhead, type OpenedRecord } from './read-ahead';
import type { ReaderConnections } from './reader-connections';
import { rangeUnit, type LogRange, type RangeSummary, type ScanPlan } from './scan-plan';
import { ScanTally } from './scan-tally';
import { TierScan, type TierMeaning } from './tier-scan';
import { CheckedCopy, RangeCopy, type RangeWriter } from './written-once';

export interface RangeScanned {
  readonly events: number;
  /** Set: the range was given up at the first event that nobody can apply. */
  readonly stoppedBy: Poison | null;
}

/** Told between batches; what it returns is awaited, so it can pause the reader. */
export type OnBatch = (read: { events: number; bytes: number }) => Promise<void>;

/**
 * Reads one range of the log into the spool and the written-once tables. Repeatable: killed anywhere, it begins again and
 * leaves the same. Throws what log, keys or PostgreSQL throw; poison that no row can show is in the summary.
 */
export class RangeScan {
  private readonly tally: ScanTally;
  private readonly spool: SpoolWriter;
  private readonly copies: readonly RangeWriter[];
  private readonly tiers: readonly { readonly scan: TierScan; readonly copies: readonly RangeWriter[] }[];
  private readonly bucketOfSlot: Int16Array;
  private readonly content: ContentReader | null;
  private readonly poison = new Map<string, Poison>();
  /** What PostgreSQL refuses of the event at hand, by tier; known only where rows are checked one by one. */
  private readonly refused = new Map<TierScan, string>();
  private last: LogRecord | null = null;

  constructor(
    private readonly plan: ScanPlan,
    private readonly range: LogRange,
    private readonly connections: ReaderConnections,
    /** After a refused COPY: find out which event is to blame. */
    private readonly isChecked = false,
  ) {
    this.tally = new ScanTally(plan.lanes);
    this.spool = new SpoolWriter(plan.spool, range.index);
    this.bucketOfSlot = bucketBySlot(plan.buckets, slotCount);
    const unit = rangeUnit(plan.runId, range);
    const copies: RangeWriter[] = [];
    const Writer = isChecked ? CheckedCopy : RangeCopy;
    this.tiers = plan.tiers.map(({ tier, targets }, index) => {
      const ofTier = targets.map((target) => {
        const pool = connections.owners.of(target.databaseUrl);
        return new Writer(target, pool, unit);
      });
      copies.push(...ofTier);
      return { scan: new TierScan(index, tier, targets), copies: ofTier };
    });
    this.copies = copies;
    const isJoined = this.tiers.some(({ scan }) => scan.definition.withContent);
    this.content = isJoined ? new ContentReader(connections.store, connections.parser) : null;
  }

  /** Throws the reason of the abort, too: what is read so far is given up. */
  async run(onBatch: OnBatch, signal: AbortSignal): Promise<RangeScanned> {
    try {
      const stoppedBy = await this.read(onBatch, signal);
      if (stoppedBy !== null) {
        this.abandon();
        return { events: this.tally.events, stoppedBy };
      }
      for (const copy of this.copies) await copy.commit();
      this.spool.finish(this.summary());
      return { events: this.tally.events, stoppedBy: null };
    } catch (error) {
      this.abandon();
      throw error;
    }
  }

  private async read(onBatch: OnBatch, signal: AbortSignal): Promise<Poison | null> {
    const { connections, content, tally } = this;
    let before = { events: 0, bytes: 0 };
    for await (const batch of readAhead(this.records(signal), connections.store, content)) {
      for (const event of batch) {
        if (this.isChecked) await this.check(event);
        const poison = this.take(event);
        if (poison !== null) return poison;
      }
      for (const copy of this.copies) if (copy.isFull) await copy.send();
      await onBatch({ events: tally.events - before.events, bytes: tally.bytes - before.bytes });
      before = { events: tally.events, bytes: tally.bytes };
    }
    // An aborted read ends as one that has come to its end does.
    signal.throwIfAborted();
    return null;
  }

  private records(signal: AbortSignal): AsyncIterable<readonly LogRecord[]> {
    const { only } = this.plan;
    const { after, upTo } = this.range;
    return this.connections.store.readBatches({
      ...{ after, upTo, signal, withContent: this.content !== null },
      ...(only ? { streamPrefixes: streamPrefixes(only.tenantId, only.entityId) } : {}),
    });
  }

  /** Returns the poison that ends the range, if any may. */
  private take({ record, plain, joined }: OpenedRecord): Poison | null {
    const sequence = joined === null ? null : sequenceOf(record.streamName);
    this.tally.count(record, sequence);
    if (joined === null || sequence === null) return null;
    this.last = record;
    const plainParts: string[] = [];
    const contentParts: string[] = [];
    for (const { scan, copies } of this.tiers) {
      const event = scan.definition.withContent ? joined : plain;
      const meaning = scan.meaningOf(event, sequence);
      const reason = meaning.poison ?? this.refused.get(scan) ?? null;
      if (reason !== null) {
        const poison = scan.poisonOf(event, reason);
        if (this.plan.poison === 'stop') return poison;
        this.remember(poison);
        continue;
      }
      for (const { operation, row } of meaning.writtenOnce)
        for (const copy of copies) copy.add(operation.table, row);
      // Content goes along only where a row that is folded later may want it.
      this.addParts(scan, meaning.slots, hasContent(event) ? contentParts : plainParts);
    }
    if (contentParts.length > 0) this.spool.add(joined, contentParts);
    if (plainParts.length > 0) this.spool.add(plain, plainParts);
    return null;
  }

  private addParts({ index }: TierScan, slots: readonly number[], parts: string[]): void {
    for (const slot of slots) {
      const bucket = this.bucketOfSlot[slot] ?? -1;
      if (bucket < 0) continue;
      const part = partName(index, bucket);
      if (!parts.includes(part)) parts.push(part);
    }
  }

  private async check({ record, plain, joined }: OpenedRecord): Promise<void> {
    this.refused.clear();
    const sequence = sequenceOf(record.streamName);
    if (joined === null || sequence === null) return;
    for (const { scan, copies } of this.tiers) {
      const meaning = scan.meaningOf(scan.definition.withContent ? joined : plain, sequence);
      const refusal = await refusalOf(meaning, record.position, copies);
      if (refusal !== null) this.refused.set(scan, refusal);
    }
  }

  private remember(poison: Poison): void {
    const key = `${poison.tier} ${poison.streamName}`;
    if (!this.poison.has(key)) this.poison.set(key, poison);
  }

  private summary(): RangeSummary {
    const { tally, last } = this;
    return {
      events: tally.events,
      bytes: tally.bytes,
      census: censusRecord(tally.census()),
      lanes: tally.laneSums().map(({ events, digest }) => ({ events, digest: digestToHex(digest) })),
      last: last && { position: last.position.toString(), eventId: last.id },
      poison: [...this.poison.values()].map((each) => ({ ...each, position: each.position.toString() })),
    };
  }

  private abandon(): void {
    for (const copy of this.copies) copy.abandon();
    this.spool.abandon();
  }
}

function hasContent(event: ReadableEvent): boolean {
  return 'content' in event && event.content !== undefined;
}

async function refusalOf(
  { writtenOnce }: TierMeaning,
  position: bigint,
  copies: readonly RangeWriter[],
): Promise<string | null> {
  if (writtenOnce.length === 0) return null;
  const operations = writtenOnce.map(({ operation }) => operation);
  for (const copy of copies) {
    const refusal = await copy.refusal(operations, position);
    if (refusal !== null) return refusal;
  }
  return null;
}
