import { slotCount, slotOf } from '../../../../domain/slot';
import { parseStreamName, streamPrefixes } from '../../../../domain/stream-name';
import type { LogEvent, LogRecord } from '../../event-store/event-store';
import { censusRecord } from '../../log-ledger/ledger-rows';
import { digestToHex } from '../../log-ledger/id-digest';
import { ContentReader } from '../../projecting/content-reader';
import type { ReadableEvent } from '../../projecting/fold-event';
import { bucketBySlot } from '../buckets';
import type { Poison } from '../contracts';
import { SpoolWriter } from '../spool/spool-file';
import type { ReaderConnections } from './reader-connections';
import { rangeUnit, type EventPlace, type LogRange, type RangeSummary, type ScanPlan } from './scan-plan';
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

const eventsPerBatch = 512;
/** Mails being parsed while further ones are read: enough to keep a second core busy. */
const inFlightMax = { events: 32, bytes: 8 * 1024 * 1024 };
const contentType = 'MessageContentStored';

interface Read {
  readonly record: LogRecord;
  readonly words: Float64Array;
  /** As tiers without content see it. */
  readonly plain: LogEvent;
  /** As tiers with content see it; null for a chunk. */
  readonly joined: Promise<ReadableEvent | null>;
}

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
  private readonly last: { plain: EventPlace | null; withContent: EventPlace | null } = {
    plain: null,
    withContent: null,
  };

  constructor(
    private readonly plan: ScanPlan,
    private readonly range: LogRange,
    private readonly connections: ReaderConnections,
    /** After a refused COPY: find out which event is to blame. */
    isChecked = false,
  ) {
    this.tally = new ScanTally(plan.lanes);
    this.spool = new SpoolWriter(plan.spool, range.index);
    this.bucketOfSlot = bucketBySlot(plan.buckets, slotCount);
    const unit = rangeUnit(plan.runId, range);
    const connectionsPerDatabase = plan.tiers.reduce((sum, { targets }) => sum + targets.length, 0);
    const copies: RangeWriter[] = [];
    const Writer = isChecked ? CheckedCopy : RangeCopy;
    this.tiers = plan.tiers.map(({ tier, targets }, bit) => {
      const ofTier = targets.map((target) => {
        const pool = connections.target(target.databaseUrl, connectionsPerDatabase);
        return new Writer(target, pool, unit);
      });
      copies.push(...ofTier);
      return { scan: new TierScan(bit, tier, targets), copies: ofTier };
    });
    this.copies = copies;
    const isJoined = this.tiers.some(({ scan }) => scan.definition.withContent);
    this.content = isJoined ? new ContentReader(connections.store, connections.parser) : null;
  }

  async run(onBatch: OnBatch): Promise<RangeScanned> {
    try {
      const stoppedBy = await this.read(onBatch);
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

  private async read(onBatch: OnBatch): Promise<Poison | null> {
    const { only } = this.plan;
    const stop = new AbortController();
    const records = this.connections.store.readRecords({
      after: this.range.after,
      upTo: this.range.upTo,
      withContent: this.content !== null,
      signal: stop.signal,
      ...(only ? { streamPrefixes: streamPrefixes(only.tenantId, only.entityId) } : {}),
    });
    const inFlight: Read[] = [];
    let bytesBefore = 0;
    for await (const record of records) {
      inFlight.push(await this.opened(record));
      while (this.isFull(inFlight)) {
        const poison = await this.take(inFlight.shift()!);
        if (poison !== null) return poison;
      }
      if (this.tally.events % eventsPerBatch !== 0) continue;
      for (const copy of this.copies) if (copy.isFull) await copy.send();
      await onBatch({ events: eventsPerBatch, bytes: this.tally.bytes - bytesBefore });
      bytesBefore = this.tally.bytes;
    }
    for (const read of inFlight) {
      const poison = await this.take(read);
      if (poison !== null) return poison;
    }
    await onBatch({ events: this.tally.events % eventsPerBatch, bytes: this.tally.bytes - bytesBefore });
    return null;
  }

  private async opened(record: LogRecord): Promise<Read> {
    const words = this.tally.count(record);
    const plain = await this.connections.store.open(record);
    const joined = this.content === null ? Promise.resolve(plain) : this.content.join(plain);
    // Awaited in its turn; a failure before that is no unhandled one.
    joined.catch(() => undefined);
    return { record, words, plain, joined };
  }

  private isFull(inFlight: readonly Read[]): boolean {
    if (this.content === null || inFlight.length > inFlightMax.events) return inFlight.length > 0;
    return inFlight.reduce((sum, { record }) => sum + record.byteCount, 0) > inFlightMax.bytes;
  }

  /** Resolves to the poison that ends the range, if any may. */
  private async take({ record, words, plain, joined }: Read): Promise<Poison | null> {
    const stream = parseStreamName(record.streamName);
    if (stream === null) return null;
    const isChunk = record.type === contentType;
    const withContent = this.content === null ? plain : await joined;
    if (withContent === null) return null;
    const { tenantId, entityId } = stream;
    const place = { position: record.position.toString(), eventId: record.id };
    this.last.withContent = place;
    if (!isChunk) this.last.plain = place;
    this.tally.countForLanes(words, { tenantId, slot: slotOf(tenantId, entityId) }, isChunk);
    const plainBuckets = new Map<number, number>();
    for (const { scan: tier, copies } of this.tiers) {
      if (isChunk && !tier.definition.withContent) continue;
      const event: ReadableEvent = tier.definition.withContent ? withContent : plain;
      const meaning = tier.meaningOf(event);
      const reason = meaning.poison ?? (await refusalOf(meaning, event.position, copies));
      if (reason !== null) {
        const poison = tier.poisonOf(event, reason);
        if (this.plan.poison === 'stop') return poison;
        this.remember(poison);
        continue;
      }
      for (const { operation, row } of meaning.writtenOnce)
        for (const copy of copies) copy.add(operation.table, row);
      // Content goes along only where a row that is folded later may want it.
      const needsContent = hasContent(event);
      const buckets = needsContent ? new Map<number, number>() : plainBuckets;
      for (const slot of meaning.slots) {
        const bucket = this.bucketOfSlot[slot] ?? -1;
        if (bucket >= 0) buckets.set(bucket, (buckets.get(bucket) ?? 0) | (1 << tier.bit));
      }
      if (needsContent && buckets.size > 0) this.spool.add(buckets, event);
    }
    if (plainBuckets.size > 0) this.spool.add(plainBuckets, plain);
    return null;
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
      last,
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
